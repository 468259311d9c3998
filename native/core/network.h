// The network configuration of one namespace, read and changed: rtnetlink, and what goes with it.
#ifndef IPVS_CORE_NETWORK_H_
#define IPVS_CORE_NETWORK_H_

#include <memory>
#include <string>
#include <vector>

#include "announce.h"
#include "connection.h"
#include "dialogue.h"
#include "fou.h"
#include "interface_address.h"
#include "link.h"
#include "listener.h"
#include "neighbour.h"
#include "nftables.h"
#include "route.h"
#include "rule.h"

namespace ipvs {

// Used by one thread at a time, any thread. Interfaces are known by their names outside and by
// their numbers to the kernel: names are looked up at each call.
class Network {
 public:
  // Where it is: an open namespace, the file of one, or the process's own.
  explicit Network(std::shared_ptr<const NetworkNamespace> space) : Network(std::move(space), {}) {}
  explicit Network(std::string space_path) : Network(nullptr, std::move(space_path)) {}

  // The namespace is there and may be entered. Sockets open when they are first used.
  Failure Open();
  void Close();
  const std::shared_ptr<const NetworkNamespace>& space() const { return space_; }

  // `family` 0: both.
  Failure Links(const Deadline& deadline, std::vector<Link>* links);
  Failure FindLink(const char* name, const Deadline& deadline, Link* link);
  Failure Addresses(uint16_t family, const Deadline& deadline,
                    std::vector<InterfaceAddress>* addresses);
  // `table` 0: all.
  Failure Routes(uint16_t family, uint32_t table, const Deadline& deadline,
                 std::vector<Route>* routes);
  Failure Rules(uint16_t family, const Deadline& deadline, std::vector<Rule>* rules);
  Failure Neighbours(uint16_t family, const Deadline& deadline, std::vector<Neighbour>* neighbours);
  // None where the kernel has no such thing.
  Failure FouPorts(const Deadline& deadline, std::vector<FouPort>* ports);

  // Of TCP and UDP. Refused where the kernel has no sock_diag.
  Failure Listeners(const Deadline& deadline, std::vector<Listener>* listeners);

  Failure Marks(const Deadline& deadline, std::vector<FoundRule>* rules);
  Failure CanMark(uint16_t family, const Deadline& deadline, bool* can);

  // `lower` names the interface that a tunnel is bound to, empty for none.
  Failure Apply(Change change, Link link, const char* lower, const Deadline& deadline);
  Failure Apply(Change change, InterfaceAddress address, const Deadline& deadline);
  Failure Apply(Change change, Route route, const Deadline& deadline);
  Failure Apply(Change change, const Rule& rule, const Deadline& deadline);
  Failure Apply(Change change, Neighbour neighbour, const Deadline& deadline);
  Failure Apply(Change change, const FouPort& port, const Deadline& deadline);
  Failure Apply(Change change, const std::vector<MarkRule>& rules, const Deadline& deadline);

  Failure Announce(const char* interface, const std::vector<Announced>& addresses, uint32_t times,
                   bool router, const Deadline& deadline);
  // Who else has these addresses; it listens for so many milliseconds.
  Failure Probe(const char* interface, const std::vector<Announced>& addresses,
                uint32_t milliseconds, const Deadline& deadline, std::vector<Neighbour>* claimants);

 private:
  Network(std::shared_ptr<const NetworkNamespace> space, std::string space_path);

  void Reset();
  Failure Ask(CommandBatch* batch, const Deadline& deadline, Bytes* reply);
  Failure FindIndex(const char* name, const Deadline& deadline, int32_t* index);

  template <typename T, typename Encode, typename Decode>
  Failure List(Dialogue* dialogue, const Encode& encode, const Decode& decode,
               const Deadline& deadline, std::vector<T>* list);

  std::shared_ptr<const NetworkNamespace> space_;
  std::string space_path_;
  std::unique_ptr<Dialogue> route_;
  std::unique_ptr<Dialogue> sockets_;
  std::unique_ptr<Connection> fou_;
  std::unique_ptr<Nftables> nftables_;
};

}  // namespace ipvs

#endif  // IPVS_CORE_NETWORK_H_
