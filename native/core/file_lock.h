// One at a time, whichever processes they are in.
#ifndef IPVS_CORE_FILE_LOCK_H_
#define IPVS_CORE_FILE_LOCK_H_

#include "result.h"

namespace ipvs {

// Locks an open file for its descriptor, or fails with EWOULDBLOCK where another descriptor has it:
// also one of the same process, or one of another PID namespace. The kernel lets go of it when the
// descriptor is closed, however the process ends.
Failure LockFile(int descriptor);

}  // namespace ipvs

#endif  // IPVS_CORE_FILE_LOCK_H_
