// Threads, for what must not run on one that somebody else uses.
#ifndef IPVS_CORE_THREAD_H_
#define IPVS_CORE_THREAD_H_

#include <pthread.h>

#include "result.h"

namespace ipvs {

// It takes no signals: those are for threads that know of them.
Failure StartThread(void* (*run)(void*), void* data, pthread_t* thread);
// Waits for its end.
void JoinThread(pthread_t thread);

}  // namespace ipvs

#endif  // IPVS_CORE_THREAD_H_
