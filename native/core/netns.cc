#include "netns.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include <cerrno>

// A prebuilt file must load on every glibc that Node.js itself supports (2.28). Since 2.34
// pthread_create and pthread_join carry a newer version too; these ask for the old one.
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver pthread_create, pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join, pthread_join@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver pthread_create, pthread_create@GLIBC_2.17");
__asm__(".symver pthread_join, pthread_join@GLIBC_2.17");
#endif

namespace ipvs {

namespace {

struct Visit {
  int fd;
  const std::function<Failure()>* work;
  Failure result;
};

void* VisitThread(void* data) {
  Visit* visit = static_cast<Visit*>(data);
  visit->result = ::setns(visit->fd, CLONE_NEWNET) != 0 ? Failure::SystemCall("setns", errno)
                                                        : (*visit->work)();
  return nullptr;
}

}  // namespace

Failure NetworkNamespace::Open(const std::string& path,
                               std::shared_ptr<const NetworkNamespace>* opened) {
  // O_NONBLOCK: a FIFO by that name must not hang the caller; setns refuses it afterwards.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Failure::SystemCall("open", errno);
  opened->reset(new NetworkNamespace(std::move(fd)));
  return Failure();
}

Failure NetworkNamespace::Run(const std::function<Failure()>& work) const {
  Visit visit{fd_.get(), &work, Failure()};
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, VisitThread, &visit);
  if (error != 0) return Failure::SystemCall("pthread_create", error);
  ::pthread_join(thread, nullptr);
  return std::move(visit.result);
}

Failure RunIn(const NetworkNamespace* space, const std::function<Failure()>& work) {
  return space == nullptr ? work() : space->Run(work);
}

}  // namespace ipvs
