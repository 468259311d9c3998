#include "thread.h"

#include <csignal>

// A prebuilt file must load on every glibc that Node.js itself supports (2.28). Newer ones have
// newer versions of these functions too; this asks for the old ones.
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver pthread_create, pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_join, pthread_join@GLIBC_2.2.5");
__asm__(".symver pthread_sigmask, pthread_sigmask@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver pthread_create, pthread_create@GLIBC_2.17");
__asm__(".symver pthread_join, pthread_join@GLIBC_2.17");
__asm__(".symver pthread_sigmask, pthread_sigmask@GLIBC_2.17");
#endif

namespace ipvs {

Failure StartThread(void* (*run)(void*), void* data, pthread_t* thread) {
  // A new one begins with its maker's mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = ::pthread_create(thread, nullptr, run, data);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error == 0 ? Failure() : Failure::SystemCall("pthread_create", error);
}

void JoinThread(pthread_t thread) { ::pthread_join(thread, nullptr); }

}  // namespace ipvs
