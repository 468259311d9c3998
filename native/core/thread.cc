#include "thread.h"

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

Failure StartThread(void* (*run)(void*), void* data, pthread_t* thread) {
  const int error = ::pthread_create(thread, nullptr, run, data);
  return error == 0 ? Failure() : Failure::SystemCall("pthread_create", error);
}

void JoinThread(pthread_t thread) { ::pthread_join(thread, nullptr); }

}  // namespace ipvs
