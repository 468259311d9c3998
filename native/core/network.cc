#include "network.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

namespace ipvs {

namespace {

// So often a list is read anew that changed while it was read. After that the last one has to do:
// where routes come and go all the time there never is one that fits together.
constexpr int kAttempts = 8;

using Names = std::map<int32_t, const char*>;

Names NamesOf(const std::vector<Link>& links) {
  Names names;
  for (const Link& link : links) names[link.index] = link.name;
  return names;
}

void PutName(const Names& names, int32_t index, char (&name)[IFNAMSIZ]) {
  const auto found = names.find(index);
  if (found != names.end()) std::memcpy(name, found->second, sizeof(name));
}

bool IsWanted(uint16_t family, uint16_t wanted) {
  return wanted == 0 ? family == AF_INET || family == AF_INET6 : family == wanted;
}

// Nobody gave FOU the alias by which asking for its family would load it. Who is asked for a device
// that is not there looks for a module of its name, for whom CAP_SYS_MODULE allows it (dev_load).
void AskForModule(const char* name) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
  if (socket) ::ioctl(socket.get(), SIOCGIFFLAGS, &request);
}

// What the kernel adds of other families, or of all where it does not have the one.
template <typename T>
void KeepFamily(uint16_t family, std::vector<T>* list) {
  list->erase(std::remove_if(list->begin(), list->end(),
                             [family](const T& each) { return !IsWanted(each.family, family); }),
              list->end());
}

}  // namespace

Network::Network(std::shared_ptr<const NetworkNamespace> space, std::string space_path)
    : space_(std::move(space)), space_path_(std::move(space_path)) {
  Reset();
}

void Network::Reset() {
  Dialogue::Options route;
  route.space = space_;
  route_ = std::make_unique<Dialogue>(std::move(route));
  Dialogue::Options sockets;
  sockets.protocol = NETLINK_SOCK_DIAG;
  sockets.space = space_;
  sockets_ = std::make_unique<Dialogue>(std::move(sockets));
  Connection::Options fou;
  fou.family = kFouFamily;
  fou.space = space_;
  fou_ = std::make_unique<Connection>(std::move(fou));
  nftables_ = std::make_unique<Nftables>(space_);
}

Failure Network::Open() {
  if (space_ != nullptr || space_path_.empty()) return Failure();
  std::shared_ptr<const NetworkNamespace> space;
  if (Failure failure = NetworkNamespace::Open(space_path_, &space)) return failure;
  // A name that no namespace is mounted on yet opens as well.
  if (Failure failure = space->Run([] { return Failure(); })) return failure;
  space_ = std::move(space);
  Reset();
  return Failure();
}

void Network::Close() {
  route_->Close();
  sockets_->Close();
  fou_->Close();
  nftables_->Close();
  space_.reset();
}

Failure Network::Ask(CommandBatch* batch, const Deadline& deadline, Bytes* reply) {
  if (deadline.Passed()) return Failure::Of(Fault::kNotSent);
  Answer answer;
  route_->Transact(0, batch, deadline, &answer);
  if (reply != nullptr) *reply = std::move(answer.reply);
  return std::move(answer.failure);
}

template <typename T, typename Encode, typename Decode>
Failure Network::List(Dialogue* dialogue, const Encode& encode, const Decode& decode,
                      const Deadline& deadline, std::vector<T>* list) {
  Dialogue::DumpResult result;
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    if (deadline.Passed()) return Failure::Of(Fault::kNotSent);
    CommandBatch batch;
    encode(&batch);
    list->clear();
    const auto keep = [list, &decode](ByteView payload, DecodeError* error) {
      list->emplace_back();
      decode(payload, &list->back(), error);
    };
    if (Failure failure = dialogue->Dump(0, &batch, deadline, keep, &result)) return failure;
    if (!result.interrupted) break;
  }
  return Failure();
}

Failure Network::Links(const Deadline& deadline, std::vector<Link>* links) {
  if (Failure failure = List(route_.get(), EncodeListLinks, DecodeLink, deadline, links))
    return failure;
  std::sort(links->begin(), links->end(),
            [](const Link& a, const Link& b) { return a.index < b.index; });
  return Failure();
}

Failure Network::FindLink(const char* name, const Deadline& deadline, Link* link) {
  CommandBatch batch;
  EncodeGetLink(name, &batch);
  Bytes reply;
  if (Failure failure = Ask(&batch, deadline, &reply)) return failure;
  DecodeError error;
  if (!DecodeLink(ByteView(reply), link, &error)) return Failure::Malformed(error.text());
  return Failure();
}

Failure Network::FindIndex(const char* name, const Deadline& deadline, int32_t* index) {
  *index = 0;
  if (name[0] == 0) return Failure();
  Link link;
  Failure failure = FindLink(name, deadline, &link);
  // Only the question was sent, not the change.
  if (failure.fault == Fault::kNoAnswer) return Failure::Of(Fault::kNotSent, failure.error);
  *index = link.index;
  return failure;
}

Failure Network::Addresses(uint16_t family, const Deadline& deadline,
                           std::vector<InterfaceAddress>* addresses) {
  const auto encode = [family](CommandBatch* batch) {
    EncodeListInterfaceAddresses(family, batch);
  };
  if (Failure failure = List(route_.get(), encode, DecodeInterfaceAddress, deadline, addresses))
    return failure;
  KeepFamily(family, addresses);
  std::vector<Link> links;
  if (Failure failure = Links(deadline, &links)) return failure;
  const Names names = NamesOf(links);
  for (InterfaceAddress& each : *addresses) PutName(names, each.index, each.interface);
  // Within an interface the kernel's order says which one is the primary address.
  std::stable_sort(addresses->begin(), addresses->end(),
                   [](const InterfaceAddress& a, const InterfaceAddress& b) {
                     return std::make_pair(a.index, a.family) < std::make_pair(b.index, b.family);
                   });
  return Failure();
}

Failure Network::Routes(uint16_t family, uint32_t table, const Deadline& deadline,
                        std::vector<Route>* routes) {
  routes->clear();
  for (const uint16_t each : kFamilies) {
    if (!IsWanted(each, family)) continue;
    std::vector<Route> some;
    const auto encode = [each, table](CommandBatch* batch) {
      EncodeListRoutes(each, table, batch);
    };
    Failure failure = List(route_.get(), encode, DecodeRoute, deadline, &some);
    // A table comes into being with its first route (inet_dump_fib, inet6_dump_fib).
    if (failure.fault == Fault::kRefused && failure.error == ENOENT && table != 0) continue;
    if (failure) return failure;
    KeepFamily(each, &some);
    for (Route& route : some) {
      // Kernels without NETLINK_GET_STRICT_CHK bring every table.
      if ((table == 0 || route.table == table) && IsConfigured(route)) {
        routes->push_back(std::move(route));
      }
    }
  }
  std::vector<Link> links;
  if (Failure failure = Links(deadline, &links)) return failure;
  const Names names = NamesOf(links);
  for (Route& route : *routes) {
    PutName(names, route.hop.index, route.hop.interface);
    for (NextHop& hop : route.hops) PutName(names, hop.index, hop.interface);
  }
  std::stable_sort(routes->begin(), routes->end(), Before);
  return Failure();
}

Failure Network::Rules(uint16_t family, const Deadline& deadline, std::vector<Rule>* rules) {
  rules->clear();
  for (const uint16_t each : kFamilies) {
    if (!IsWanted(each, family)) continue;
    std::vector<Rule> some;
    const auto encode = [each](CommandBatch* batch) { EncodeListRules(each, batch); };
    Failure failure = List(route_.get(), encode, DecodeRule, deadline, &some);
    // A kernel without policy routing of this family (CONFIG_IPV6_MULTIPLE_TABLES) has no rules.
    if (failure.fault == Fault::kRefused && failure.error == EAFNOSUPPORT) continue;
    if (failure) return failure;
    KeepFamily(each, &some);
    rules->insert(rules->end(), some.begin(), some.end());
  }
  return Failure();
}

Failure Network::Neighbours(uint16_t family, const Deadline& deadline,
                            std::vector<Neighbour>* neighbours) {
  neighbours->clear();
  for (const bool proxies : {false, true}) {
    std::vector<Neighbour> some;
    const auto encode = [family, proxies](CommandBatch* batch) {
      EncodeListNeighbours(family, proxies, batch);
    };
    if (Failure failure = List(route_.get(), encode, DecodeNeighbour, deadline, &some))
      return failure;
    KeepFamily(family, &some);
    neighbours->insert(neighbours->end(), some.begin(), some.end());
  }
  std::vector<Link> links;
  if (Failure failure = Links(deadline, &links)) return failure;
  const Names names = NamesOf(links);
  for (Neighbour& each : *neighbours) PutName(names, each.index, each.interface);
  std::stable_sort(neighbours->begin(), neighbours->end(),
                   [](const Neighbour& a, const Neighbour& b) {
                     if (a.index != b.index) return a.index < b.index;
                     if (a.family != b.family) return a.family < b.family;
                     return std::memcmp(a.address.bytes, b.address.bytes, sizeof(a.address)) < 0;
                   });
  return Failure();
}

Failure Network::FouPorts(const Deadline& deadline, std::vector<FouPort>* ports) {
  ports->clear();
  CommandBatch batch;
  EncodeListFouPorts(&batch);
  size_t chunks = 0;
  Failure failure = fou_->Dump(
      &batch, deadline,
      [ports](ByteView attributes, DecodeError* error) {
        ports->emplace_back();
        DecodeFouPort(attributes, &ports->back(), error);
      },
      &chunks);
  if (failure.fault == Fault::kUnavailable) return Failure();
  std::sort(ports->begin(), ports->end(), [](const FouPort& a, const FouPort& b) {
    return std::make_pair(a.family, a.port) < std::make_pair(b.family, b.port);
  });
  return failure;
}

Failure Network::Listeners(const Deadline& deadline, std::vector<Listener>* listeners) {
  listeners->clear();
  for (const uint16_t family : kFamilies) {
    for (const uint8_t protocol : {uint8_t{IPPROTO_TCP}, uint8_t{IPPROTO_UDP}}) {
      std::vector<Listener> some;
      const auto encode = [family, protocol](CommandBatch* batch) {
        EncodeListListeners(family, protocol, batch);
      };
      if (Failure failure = List(sockets_.get(), encode, DecodeListener, deadline, &some)) {
        return failure;
      }
      for (Listener& each : some) {
        each.protocol = protocol;
        listeners->push_back(each);
      }
    }
  }
  return Failure();
}

Failure Network::Apply(Change change, Link link, const char* lower, const Deadline& deadline) {
  if (Failure failure = FindIndex(lower, deadline, &link.tunnel.lower)) return failure;
  CommandBatch batch;
  EncodeLink(change, link, &batch);
  return Ask(&batch, deadline, nullptr);
}

Failure Network::Apply(Change change, InterfaceAddress address, const Deadline& deadline) {
  if (Failure failure = FindIndex(address.interface, deadline, &address.index)) return failure;
  CommandBatch batch;
  EncodeInterfaceAddress(change, address, &batch);
  return Ask(&batch, deadline, nullptr);
}

Failure Network::Apply(Change change, Route route, const Deadline& deadline) {
  if (Failure failure = FindIndex(route.hop.interface, deadline, &route.hop.index)) return failure;
  CommandBatch batch;
  EncodeRoute(change, route, &batch);
  return Ask(&batch, deadline, nullptr);
}

Failure Network::Apply(Change change, const Rule& rule, const Deadline& deadline) {
  CommandBatch batch;
  EncodeRule(change, rule, &batch);
  return Ask(&batch, deadline, nullptr);
}

Failure Network::Apply(Change change, Neighbour neighbour, const Deadline& deadline) {
  if (Failure failure = FindIndex(neighbour.interface, deadline, &neighbour.index)) return failure;
  CommandBatch batch;
  EncodeNeighbour(change, neighbour, &batch);
  return Ask(&batch, deadline, nullptr);
}

Failure Network::Apply(Change change, const FouPort& port, const Deadline& deadline) {
  CommandBatch batch;
  EncodeFouPort(change, port, &batch);
  std::vector<Answer> answers;
  fou_->Exchange(&batch, deadline, &answers);
  if (answers.front().failure.fault == Fault::kUnavailable && change != Change::kRemove) {
    AskForModule(kFouFamily);
    fou_->Exchange(&batch, deadline, &answers);
  }
  return std::move(answers.front().failure);
}

Failure Network::Marks(const Deadline& deadline, std::vector<FoundRule>* rules) {
  return nftables_->List(deadline, rules);
}

Failure Network::CanMark(uint16_t family, const Deadline& deadline, bool* can) {
  return nftables_->CanMark(family, deadline, can);
}

Failure Network::Apply(Change change, const std::vector<MarkRule>& rules,
                       const Deadline& deadline) {
  return nftables_->Apply(change, rules, deadline);
}

Failure Network::Announce(const char* interface, const std::vector<Announced>& addresses,
                          uint32_t times, bool router, const Deadline& deadline) {
  Link link;
  if (Failure failure = FindLink(interface, deadline, &link)) return failure;
  return ipvs::Announce(space_.get(), link, addresses, times, router);
}

Failure Network::Probe(const char* interface, const std::vector<Announced>& addresses,
                       uint32_t milliseconds, const Deadline& deadline,
                       std::vector<Neighbour>* claimants) {
  Link link;
  if (Failure failure = FindLink(interface, deadline, &link)) return failure;
  std::vector<InterfaceAddress> own;
  if (Failure failure = Addresses(AF_INET6, deadline, &own)) return failure;
  const auto usable = std::find_if(own.begin(), own.end(), [&](const InterfaceAddress& each) {
    return each.index == link.index && each.scope == RT_SCOPE_LINK &&
           (each.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
  });
  return ipvs::Probe(space_.get(), link, usable == own.end() ? nullptr : &usable->local, addresses,
                     Deadline::After(std::min<int64_t>(milliseconds, deadline.Remaining())),
                     claimants);
}

}  // namespace ipvs
