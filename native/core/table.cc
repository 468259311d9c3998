#include "table.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <utility>

namespace ipvs {

namespace {

// So often a dump, and the list of services, is read anew before the table counts as too lively.
constexpr int kAttempts = 8;

template <typename T>
bool Before(const T& a, const T& b) {
  return Compare(a.key, b.key) < 0;
}

template <typename T>
void SortUnique(std::vector<T>* records) {
  std::sort(records->begin(), records->end(), Before<T>);
  const auto end = std::unique(records->begin(), records->end(),
                               [](const T& a, const T& b) { return Compare(a.key, b.key) == 0; });
  records->erase(end, records->end());
}

bool Same(const Service& a, const Service& b) {
  return Compare(a.key, b.key) == 0 && std::strcmp(a.scheduler, b.scheduler) == 0 &&
         a.flags == b.flags && a.timeout == b.timeout && a.netmask == b.netmask &&
         std::strcmp(a.engine, b.engine) == 0;
}

bool Same(const Destination& a, const Destination& b) {
  return Compare(a.key, b.key) == 0 && a.forwarding == b.forwarding && a.weight == b.weight &&
         a.upper_threshold == b.upper_threshold && a.lower_threshold == b.lower_threshold &&
         a.tunnel_type == b.tunnel_type && a.tunnel_port == b.tunnel_port &&
         a.tunnel_flags == b.tunnel_flags;
}

// What is configured, not what is counted.
template <typename T>
bool Same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](const T& one, const T& other) { return Same(one, other); });
}

// Sends the dump and keeps each record that `decode` makes of it.
template <typename T, typename Decode>
Failure DumpInto(Connection* connection, CommandBatch* batch, const Deadline& deadline,
                 const Decode& decode, Dumped<T>* dumped) {
  dumped->records.clear();
  return connection->Dump(
      batch, deadline,
      [dumped, &decode](ByteView attributes, DecodeError* error) {
        dumped->records.emplace_back();
        decode(attributes, &dumped->records.back(), error);
      },
      &dumped->chunks);
}

// Runs `dump` until two results in a row agree; one is enough where it came in one chunk. Whatever
// those before the last had is added to `seen`, if that is given and they differ. `spare` is
// memory.
template <typename T, typename Dump>
Failure Settle(const Dump& dump, Dumped<T>* result, Dumped<T>* spare, bool* settled,
               std::vector<T>* seen) {
  *settled = true;
  if (Failure failure = dump(result)) return failure;
  for (int attempt = 1; result->chunks > 1; attempt++) {
    if (Failure failure = dump(spare)) return failure;
    std::swap(*result, *spare);
    if (Same(result->records, spare->records)) return Failure();
    if (seen != nullptr) {
      seen->insert(seen->end(), spare->records.begin(), spare->records.end());
    }
    if (attempt == kAttempts) {
      *settled = false;
      return Failure();
    }
  }
  return Failure();
}

// What a table is read with.
struct Lists {
  // More than this is not kept for the next time.
  static constexpr size_t kMostRecords = 10000;

  Dumped<Service> services;
  Dumped<Service> spare_services;
  Dumped<Destination> destinations;
  Dumped<Destination> spare_destinations;

  bool small() const {
    return services.records.capacity() <= kMostRecords &&
           spare_services.records.capacity() <= kMostRecords &&
           destinations.records.capacity() <= kMostRecords &&
           spare_destinations.records.capacity() <= kMostRecords;
  }
};

class BorrowedLists {
 public:
  BorrowedLists() : lists_(ListPool::Take()) {}
  ~BorrowedLists() {
    if (lists_->small()) ListPool::Give(std::move(lists_));
  }
  BorrowedLists(const BorrowedLists&) = delete;
  BorrowedLists& operator=(const BorrowedLists&) = delete;

  Lists* operator->() const { return lists_.get(); }

 private:
  using ListPool = Pool<Lists, 2>;

  std::unique_ptr<Lists> lists_;
};

// Asks for each service by name. Those that are there, in order, each with its place in `keys`.
Failure GetServices(Connection* connection, const std::vector<ServiceKey>& keys,
                    const Deadline& deadline, std::vector<std::pair<size_t, Service>>* services) {
  CommandBatch batch;
  for (const ServiceKey& key : keys) {
    AttributeWriter writer = batch.Add(IPVS_CMD_GET_SERVICE, IPVS_GENL_VERSION, Confirmation::kOwn);
    EncodeServiceKey(key, &writer);
  }
  std::vector<Answer> answers;
  connection->Exchange(&batch, deadline, &answers);
  for (size_t i = 0; i < answers.size(); i++) {
    const Answer& answer = answers[i];
    if (answer.failure.fault == Fault::kRefused && answer.failure.error == ESRCH) continue;
    if (answer.failure) return answer.failure;
    Service service;
    DecodeError error;
    if (!DecodeService(ByteView(answer.reply), &service, &error)) {
      return Failure::Malformed(error.text());
    }
    services->emplace_back(i, service);
  }
  return Failure();
}

// A torn dump may lack services that were there all the time. Whatever any dump has `seen` and the
// last one has not is asked for by name.
Failure AddMissed(Connection* connection, const Deadline& deadline, std::vector<Service>* seen,
                  std::vector<Service>* services) {
  SortUnique(seen);
  std::vector<Service> doubtful;
  std::set_difference(seen->begin(), seen->end(), services->begin(), services->end(),
                      std::back_inserter(doubtful), Before<Service>);
  std::vector<ServiceKey> keys;
  keys.reserve(doubtful.size());
  for (const Service& service : doubtful) keys.push_back(service.key);
  std::vector<std::pair<size_t, Service>> found;
  if (Failure failure = GetServices(connection, keys, deadline, &found)) return failure;
  for (const auto& [index, service] : found) services->push_back(service);
  SortUnique(services);
  return Failure();
}

void Keep(const std::vector<Destination>& list, Table* table) {
  for (const Destination& destination : list) table->destinations.push_back(destination);
  table->counts.push_back(static_cast<uint32_t>(list.size()));
}

// One pass over the table, filled service by service.
class TableReader {
 public:
  TableReader(Connection* connection, bool settle, const Deadline& deadline)
      : connection_(connection), settle_(settle), deadline_(deadline) {}

  Failure Read(Table* table) {
    bool stable = false;
    std::vector<Service>* services = &lists_->services.records;
    if (Failure failure = ReadServices(&stable)) return failure;
    if (Failure failure = Renew(*services, table)) return failure;
    if (!settle_) return Failure();

    stable = false;
    for (int attempt = 1; !stable && attempt <= kAttempts; attempt++) {
      if (Failure failure = ReadServices(&stable)) return failure;
      if (Same(*services, table->services)) continue;
      stable = false;
      seen_.insert(seen_.end(), table->services.begin(), table->services.end());
      if (Failure failure = Renew(*services, table)) return failure;
    }
    if (!stable) {
      if (Failure failure = AddMissed(connection_, deadline_, &seen_, services)) return failure;
      if (Failure failure = Renew(*services, table)) return failure;
    }
    table->settled = stable && destinations_settled_;
    return Failure();
  }

 private:
  // Into lists_->services.
  Failure ReadServices(bool* settled) {
    const auto dump = [this](Dumped<Service>* dumped) {
      return DumpServices(connection_, deadline_, dumped);
    };
    if (!settle_) return dump(&lists_->services);
    return Settle(dump, &lists_->services, &lists_->spare_services, settled, &seen_);
  }

  // Makes the table one of these services. Destinations of those that were in it before are kept.
  Failure Renew(const std::vector<Service>& services, Table* table) {
    const Table before = std::move(*table);
    *table = Table();
    table->services = services;
    table->counts.reserve(services.size());
    size_t at = 0;     // in before.services
    size_t start = 0;  // in before.destinations
    for (const Service& service : services) {
      while (at < before.services.size() && Before(before.services[at], service)) {
        start += before.counts[at++];
      }
      if (at < before.services.size() && Same(before.services[at], service)) {
        for (size_t i = 0; i < before.counts[at]; i++) {
          table->destinations.push_back(before.destinations[start + i]);
        }
        table->counts.push_back(before.counts[at]);
        continue;
      }
      if (Failure failure = ReadDestinations(service.key)) return failure;
      Keep(lists_->destinations.records, table);
    }
    return Failure();
  }

  // Into lists_->destinations.
  Failure ReadDestinations(const ServiceKey& service) {
    const auto dump = [this, &service](Dumped<Destination>* dumped) {
      return DumpDestinations(connection_, service, deadline_, dumped);
    };
    if (!settle_) return dump(&lists_->destinations);
    bool settled = true;
    Failure failure = Settle<Destination>(dump, &lists_->destinations, &lists_->spare_destinations,
                                          &settled, nullptr);
    destinations_settled_ = destinations_settled_ && settled;
    return failure;
  }

  Connection* connection_;
  bool settle_;
  const Deadline& deadline_;
  std::vector<Service> seen_;  // in any dump of the list but the last
  BorrowedLists lists_;
  bool destinations_settled_ = true;
};

}  // namespace

Failure DumpServices(Connection* connection, const Deadline& deadline, Dumped<Service>* dumped) {
  CommandBatch batch;
  batch.AddDump(IPVS_CMD_GET_SERVICE, IPVS_GENL_VERSION);
  Failure failure = DumpInto(connection, &batch, deadline, DecodeService, dumped);
  SortUnique(&dumped->records);
  return failure;
}

Failure DumpDestinations(Connection* connection, const ServiceKey& service,
                         const Deadline& deadline, Dumped<Destination>* dumped) {
  CommandBatch batch;
  AttributeWriter writer = batch.AddDump(IPVS_CMD_GET_DEST, IPVS_GENL_VERSION);
  EncodeServiceKey(service, &writer);
  const auto decode = [&service](ByteView attributes, Destination* record, DecodeError* error) {
    DecodeDestination(attributes, service.family, record, error);
  };
  Failure failure = DumpInto(connection, &batch, deadline, decode, dumped);
  SortUnique(&dumped->records);
  return failure;
}

Failure ListServices(Connection* connection, const Deadline& deadline, Dumped<Service>* list) {
  const auto dump = [connection, &deadline](Dumped<Service>* dumped) {
    return DumpServices(connection, deadline, dumped);
  };
  std::vector<Service> seen;
  Dumped<Service> spare;
  bool settled = true;
  if (Failure failure = Settle(dump, list, &spare, &settled, &seen)) return failure;
  return settled ? Failure() : AddMissed(connection, deadline, &seen, &list->records);
}

Failure ListDestinations(Connection* connection, const ServiceKey& service,
                         const Deadline& deadline, Dumped<Destination>* list) {
  const auto dump = [connection, &service, &deadline](Dumped<Destination>* dumped) {
    return DumpDestinations(connection, service, deadline, dumped);
  };
  Dumped<Destination> spare;
  bool settled = true;
  return Settle<Destination>(dump, list, &spare, &settled, nullptr);
}

std::vector<Destination> Pick(const std::vector<Destination>& sorted,
                              const std::vector<DestinationKey>& keys) {
  const auto before = [](const Destination& destination, const DestinationKey& key) {
    return Compare(destination.key, key) < 0;
  };
  std::vector<Destination> picked;
  for (const DestinationKey& key : keys) {
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), key, before);
    if (at != sorted.end() && Compare(at->key, key) == 0) picked.push_back(*at);
  }
  return picked;
}

Failure DumpDaemons(Connection* connection, const Deadline& deadline, Dumped<Daemon>* dumped) {
  CommandBatch batch;
  batch.AddDump(IPVS_CMD_GET_DAEMON, IPVS_GENL_VERSION);
  Failure failure = DumpInto(connection, &batch, deadline, DecodeDaemon, dumped);
  std::sort(dumped->records.begin(), dumped->records.end(),
            [](const Daemon& a, const Daemon& b) { return a.state < b.state; });
  return failure;
}

Failure ReadServices(Connection* connection, const std::vector<WantedService>& wanted,
                     const Deadline& deadline, Table* table) {
  *table = Table();
  table->services.resize(wanted.size());
  std::vector<ServiceKey> keys;
  keys.reserve(wanted.size());
  for (const WantedService& each : wanted) keys.push_back(each.key);
  std::vector<std::pair<size_t, Service>> found;
  if (Failure failure = GetServices(connection, keys, deadline, &found)) return failure;
  Dumped<Destination> list;
  for (const auto& [index, service] : found) {
    list.records.clear();
    // The kernel can only list them all.
    if (!wanted[index].destinations.empty()) {
      if (Failure failure = ListDestinations(connection, service.key, deadline, &list)) {
        return failure;
      }
    }
    table->counts.resize(index, kAbsent);
    table->services[index] = service;
    Keep(Pick(list.records, wanted[index].destinations), table);
  }
  table->counts.resize(wanted.size(), kAbsent);
  return Failure();
}

Failure ReadTable(Connection* connection, bool settle, const Deadline& deadline, Table* table) {
  return TableReader(connection, settle, deadline).Read(table);
}

}  // namespace ipvs
