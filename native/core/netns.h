// Work in another network namespace, without ever moving a thread that somebody else uses.
#ifndef IPVS_CORE_NETNS_H_
#define IPVS_CORE_NETNS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "result.h"
#include "unique_fd.h"

namespace ipvs {

// Holds a namespace open, so that it can be entered again even when its name is gone. Immutable:
// any thread may use it.
class NetworkNamespace {
 public:
  // `path` is a namespace file: /run/netns/<name>, /proc/<pid>/ns/net, or any bind mount of one.
  static Failure Open(const std::string& path, std::shared_ptr<const NetworkNamespace>* opened);

  // A new one, with its loopback up. It is gone when nobody holds it any more.
  static Failure Create(std::shared_ptr<const NetworkNamespace>* created);

  // Runs `work` on a thread made for it, which enters the namespace and ends with it. Waits for it.
  Failure Run(const std::function<Failure()>& work) const;

 private:
  explicit NetworkNamespace(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

// Runs `work` in `space`, or right here where that is null.
Failure RunIn(const NetworkNamespace* space, const std::function<Failure()>& work);

// What tells a network namespace from others, by whichever path it was reached.
struct SpaceIdentity {
  // No other one has it or had it since the boot. 0: the kernel gives none (before Linux 5.14).
  uint64_t cookie = 0;
  // Where there is no cookie: as the kernel shows it, "net:[4026531833]". One that comes when this
  // one is gone may have the same.
  std::string name;
};

Failure Identify(const NetworkNamespace* space, SpaceIdentity* identity);

}  // namespace ipvs

#endif  // IPVS_CORE_NETNS_H_
