#include "crew.h"

#include <utility>

#include "../core/thread.h"
#include "environment.h"

namespace ipvs::addon {

Crew* Crew::Of(Napi::Env env) {
  Environment* environment = Environment::Of(env);
  if (environment->crew == nullptr) environment->crew = new Crew(env);
  return environment->crew;
}

// The bells end with the environment, and the crew with the last one. No thread rings any of them
// after the first was taken away.
Crew::Crew(Napi::Env env) : env_(env) {
  const auto taken = [](Napi::Env, Crew* crew, Crew*) {
    crew->End();
    if (--crew->ringing_ == 0) delete crew;
  };
  for (Bell& bell : bells_) {
    bell = Bell::New(env, "ipvs", 0, 1, this, taken, this);
    bell.Unref(env);
  }
}

void Crew::End() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
    waiting_.clear();
  }
  for (size_t i = 0; i < threads_.size(); i++) wanted_.Post();
  for (const pthread_t thread : threads_) JoinThread(thread);
  threads_.clear();
}

void Crew::Start(std::unique_ptr<Job> job) {
  if (open_++ == 0) bells_[0].Ref(env_);
  const bool at_once = HasRoom() || Recruit();
  if (!at_once && threads_.empty()) {
    // The system gives no thread at all: better late than never.
    job->Execute();
    if (Ring(job.get())) job.release();  // NOLINT(bugprone-unused-return-value): it is Finish's
    return;
  }
  job->has_waited_ = !at_once;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(job));
  }
  wanted_.Post();
}

bool Crew::HasRoom() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return waiting_.size() < idle_;
}

bool Crew::Recruit() {
  if (threads_.size() == kMostThreads) return false;
  const auto work = [](void* crew) -> void* {
    static_cast<Crew*>(crew)->Work();
    return nullptr;
  };
  pthread_t thread;
  if (StartThread(work, this, &thread)) return false;
  threads_.push_back(thread);
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_++;
  return true;
}

void Crew::Work() {
  for (;;) {
    wanted_.Wait();
    std::unique_ptr<Job> job;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (over_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
      idle_--;
    }
    job->Execute();
    {
      // Before JavaScript hears of it: what it starts then is for this thread and not for a new
      // one.
      const std::lock_guard<std::mutex> lock(mutex_);
      idle_++;
    }
    if (Ring(job.get())) {
      job.release();  // NOLINT(bugprone-unused-return-value): it is Finish's by now
    } else {
      const std::lock_guard<std::mutex> lock(mutex_);
      unheard_.push_back(std::move(job));
    }
  }
}

bool Crew::Ring(Job* job) {
  Bell* bell;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    bell = &bells_[next_bell_++ % 2];
  }
  return bell->NonBlockingCall(job) == napi_ok;
}

void Crew::Finish(Napi::Env env, Napi::Function, Crew* crew, Job* job) {
  const std::unique_ptr<Job> finished(job);
  // At the end of the environment: the crew is gone by then.
  if (static_cast<napi_env>(env) == nullptr) return;
  finished->Finish();
  if (--crew->open_ == 0) crew->bells_[0].Unref(env);
  // A callback of ours threw: as if it had done so by itself.
  if (env.IsExceptionPending()) {
    napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
}

}  // namespace ipvs::addon
