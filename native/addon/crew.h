// The threads on which the addon talks to kernels. Not libuv's: those are four for all of a
// program, and serve files and name lookups too. Neither does a held-up kernel take them from
// others, nor others' waiting the time from us; and the way there and back takes fewer system
// calls.
#ifndef IPVS_ADDON_CREW_H_
#define IPVS_ADDON_CREW_H_

#include <napi.h>
#include <pthread.h>

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "../core/semaphore.h"

namespace ipvs::addon {

class Job {
 public:
  virtual ~Job() = default;
  // On a thread of the crew.
  virtual void Execute() = 0;
  // On the JavaScript thread afterwards. Where the environment is going away, never: then the job
  // is only deleted, on the JavaScript thread too.
  virtual void Finish() = 0;

  // Whether all threads were busy when it was asked for: nobody knows how long it has waited.
  bool has_waited() const { return has_waited_; }

 private:
  friend class Crew;
  bool has_waited_ = false;
};

// As many threads as ever had something to do at a time, up to a bound, in one JavaScript
// environment; who has nothing to do waits for the next job. An environment ends when the jobs that
// were begun have. Made by and for the JavaScript thread; the program stays for jobs, but not for
// idle threads.
class Crew {
 public:
  static Crew* Of(Napi::Env env);

  void Start(std::unique_ptr<Job> job);

 private:
  // A kernel that holds so many up at a time holds up all.
  static constexpr size_t kMostThreads = 32;

  static void Finish(Napi::Env env, Napi::Function, Crew* crew, Job* job);
  using Bell = Napi::TypedThreadSafeFunction<Crew, Job, &Crew::Finish>;

  explicit Crew(Napi::Env env);
  // Whether a thread has nothing to do, or soon will have.
  bool HasRoom();
  // One more thread; false where there are enough, or the system gives none.
  bool Recruit();
  void Work();
  bool Ring(Job* job);
  void End();

  Napi::Env env_;
  // Rung in turn: what is rung while its own answer is on its way is answered at once and again and
  // again, and the event loop waits for as long as one call is made after the other.
  Bell bells_[2];
  size_t ringing_ = 2;  // bells that the environment has not taken away
  size_t open_ = 0;     // jobs of which JavaScript has not heard; its thread's alone
  std::vector<pthread_t> threads_;

  Semaphore wanted_;  // one for each job that waits, and at the end for each thread
  std::mutex mutex_;
  std::deque<std::unique_ptr<Job>> waiting_;
  size_t idle_ = 0;  // threads that look for a job, or soon will
  size_t next_bell_ = 0;
  bool over_ = false;
  // Carried out when nobody could hear of it any more.
  std::vector<std::unique_ptr<Job>> unheard_;
};

}  // namespace ipvs::addon

#endif  // IPVS_ADDON_CREW_H_
