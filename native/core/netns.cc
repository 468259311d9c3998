#include "netns.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "thread.h"

// Since Linux 5.14; the headers may be older.
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace ipvs {

namespace {

struct Errand {
  const std::function<Failure()>* work;
  Failure result;
};

void* ErrandThread(void* data) {
  Errand* errand = static_cast<Errand*>(data);
  errand->result = (*errand->work)();
  return nullptr;
}

// On a thread of its own, which takes the namespace that it moved to with it into the grave.
Failure OnOwnThread(const std::function<Failure()>& work) {
  Errand errand{&work, Failure()};
  pthread_t thread;
  if (Failure failure = StartThread(ErrandThread, &errand, &thread)) return failure;
  JoinThread(thread);
  return std::move(errand.result);
}

Failure RaiseLoopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return Failure::SystemCall("socket", errno);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return Failure::SystemCall("ioctl", errno);
  }
  return Failure();
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

Failure NetworkNamespace::Create(std::shared_ptr<const NetworkNamespace>* created) {
  return OnOwnThread([created] {
    if (::unshare(CLONE_NEWNET) != 0) return Failure::SystemCall("unshare", errno);
    if (Failure failure = RaiseLoopback()) return failure;
    return Open("/proc/thread-self/ns/net", created);
  });
}

Failure NetworkNamespace::Run(const std::function<Failure()>& work) const {
  return OnOwnThread([this, &work] {
    if (::setns(fd_.get(), CLONE_NEWNET) != 0) return Failure::SystemCall("setns", errno);
    return work();
  });
}

Failure RunIn(const NetworkNamespace* space, const std::function<Failure()>& work) {
  return space == nullptr ? work() : space->Run(work);
}

Failure Identify(const NetworkNamespace* space, SpaceIdentity* identity) {
  return RunIn(space, [identity] {
    *identity = SpaceIdentity();
    const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket) return Failure::SystemCall("socket", errno);
    socklen_t size = sizeof(identity->cookie);
    void* const cookie = &identity->cookie;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size) == 0) {
      return Failure();
    }
    if (errno != ENOPROTOOPT) return Failure::SystemCall("getsockopt", errno);
    char name[64];
    const ssize_t length = ::readlink("/proc/thread-self/ns/net", name, sizeof(name));
    if (length < 0) return Failure::SystemCall("readlink", errno);
    identity->name.assign(name, static_cast<size_t>(length));
    return Failure();
  });
}

}  // namespace ipvs
