// Reads the virtual services and destinations of a director through a connection.
#ifndef IPVS_CORE_TABLE_H_
#define IPVS_CORE_TABLE_H_

#include <vector>

#include "blocks.h"
#include "connection.h"
#include "director.h"
#include "ipvs.h"

namespace ipvs {

// What one dump gave: sorted by key, without duplicates. The kernel resumes a dump by counting, so
// edits between its chunks show entries twice or not at all (ip_vs_genl_dump_services); from 7.0 on
// also where nobody edits, while the kernel resizes its table of services.
template <typename T>
struct Dumped {
  std::vector<T> records;
  size_t chunks = 0;  // datagrams; only what came in one is sure to be of one moment
};

// Another dump of records that are sorted, compared as it arrives: what says the same takes no
// room.
template <typename T>
class Revision {
 public:
  explicit Revision(std::vector<T>* records);

  void Add(const T& record);

  // Makes the records those of this dump. Whether that is what was configured before, too; what is
  // counted may differ. Those that this dump has not are added to `gone`, if that is given.
  bool Finish(std::vector<T>* gone);

 private:
  // Its place; behind the last where there is none.
  size_t Find(const T& record);

  std::vector<T>* records_;
  std::vector<bool> seen_;  // of each record, whether this dump has it
  size_t last_ = 0;         // where the one before was
  std::vector<T> added_;
  bool changed_ = false;
};

Failure DumpDaemons(Connection* connection, const Deadline& deadline, Dumped<Daemon>* dumped);

// All of a kind. What came in several chunks is read again until two dumps agree, within a bound:
// of a table that is at rest nothing is missing, and no service that was there throughout ever is.
Failure ListServices(Connection* connection, const Deadline& deadline, Dumped<Service>* list);
Failure ListDestinations(Connection* connection, const ServiceKey& service,
                         const Deadline& deadline, Dumped<Destination>* list);

// Those of a sorted list that have these keys, in the order of the keys.
std::vector<Destination> Pick(const std::vector<Destination>& sorted,
                              const std::vector<DestinationKey>& keys);

// A whole table. The destinations of services[i] are the next counts[i] of `destinations`.
struct Table {
  std::vector<Service> services;
  std::vector<uint32_t> counts;
  Blocks<Destination> destinations;
  bool settled = false;
};

// In `counts`: the service is not there.
constexpr uint32_t kAbsent = UINT32_MAX;

struct WantedService {
  ServiceKey key;
  std::vector<DestinationKey> destinations;
};

// Reads just these services, in this order, and of their destinations just those that are named.
Failure ReadServices(Connection* connection, const std::vector<WantedService>& wanted,
                     const Deadline& deadline, Table* table);

// Reads everything. With `settle` each list of destinations that came in several chunks is repeated
// until two agree, and so is the list of services: where the next one differs, what is new is read
// too. That is bounded; where the table changes faster than it can be read, `settled` stays false,
// and what any list had and the last one lacks was asked for by name.
Failure ReadTable(Connection* connection, bool settle, const Deadline& deadline, Table* table);

}  // namespace ipvs

#endif  // IPVS_CORE_TABLE_H_
