#include "file_lock.h"

#include <sys/file.h>

#include <cerrno>

namespace ipvs {

Failure LockFile(int descriptor) {
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return Failure::SystemCall("flock", errno);
  }
  return Failure();
}

}  // namespace ipvs
