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

// The kernel lists what was added last first: who adds in order gets it back the other way round.
template <typename T>
void SortUnique(std::vector<T>* records) {
  if (std::is_sorted(records->rbegin(), records->rend(), Before<T>)) {
    std::reverse(records->begin(), records->end());
  } else {
    std::sort(records->begin(), records->end(), Before<T>);
  }
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

// Dumps all of one kind: how it is asked for, and what each record is decoded with.
struct ServicesDump {
  using Record = Service;
  void Ask(CommandBatch* batch) const { batch->AddDump(IPVS_CMD_GET_SERVICE, IPVS_GENL_VERSION); }
  void Decode(ByteView attributes, Service* service, DecodeError* error) const {
    DecodeService(attributes, service, error);
  }
};

struct DestinationsDump {
  using Record = Destination;
  const ServiceKey& service;
  void Ask(CommandBatch* batch) const {
    AttributeWriter writer = batch->AddDump(IPVS_CMD_GET_DEST, IPVS_GENL_VERSION);
    EncodeServiceKey(service, &writer);
  }
  void Decode(ByteView attributes, Destination* destination, DecodeError* error) const {
    DecodeDestination(attributes, service.family, destination, error);
  }
};

struct DaemonsDump {
  using Record = Daemon;
  void Ask(CommandBatch* batch) const { batch->AddDump(IPVS_CMD_GET_DAEMON, IPVS_GENL_VERSION); }
  void Decode(ByteView attributes, Daemon* daemon, DecodeError* error) const {
    DecodeDaemon(attributes, daemon, error);
  }
};

// What reads from where, and until when.
struct Source {
  Connection* connection;
  const Deadline& deadline;
};

// Sends the dump and hands each record to `keep`.
template <typename Dump, typename Keep>
Failure Read(const Source& source, const Dump& dump, const Keep& keep, size_t* chunks) {
  CommandBatch batch;
  dump.Ask(&batch);
  return source.connection->Dump(
      &batch, source.deadline,
      [&dump, &keep](ByteView attributes, DecodeError* error) {
        typename Dump::Record record;
        dump.Decode(attributes, &record, error);
        keep(record);
      },
      chunks);
}

template <typename Dump>
Failure ReadOnce(const Source& source, const Dump& dump, Dumped<typename Dump::Record>* dumped) {
  auto* records = &dumped->records;
  records->clear();
  const auto keep = [records](const typename Dump::Record& record) { records->push_back(record); };
  return Read(source, dump, keep, &dumped->chunks);
}

// Reads until two results in a row agree; one is enough where it came in one chunk. What a dump but
// the last had and the next one has not is added to `gone`, if that is given.
template <typename Dump>
Failure Settle(const Source& source, const Dump& dump, Dumped<typename Dump::Record>* result,
               bool* settled, std::vector<typename Dump::Record>* gone) {
  using Record = typename Dump::Record;
  *settled = true;
  if (Failure failure = ReadOnce(source, dump, result)) return failure;
  SortUnique(&result->records);
  for (int attempt = 1; result->chunks > 1; attempt++) {
    Revision<Record> revision(&result->records);
    const auto keep = [&revision](const Record& record) { revision.Add(record); };
    if (Failure failure = Read(source, dump, keep, &result->chunks)) return failure;
    if (revision.Finish(gone)) return Failure();
    if (attempt == kAttempts) {
      *settled = false;
      return Failure();
    }
  }
  return Failure();
}

// What a table is read with.
struct Lists {
  // More than this is not kept for the next time: about a third of a megabyte.
  static constexpr size_t kMostRecords = 2048;

  Dumped<Service> services;
  Dumped<Destination> destinations;

  bool small() const {
    return services.records.capacity() <= kMostRecords &&
           destinations.records.capacity() <= kMostRecords;
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
Failure GetServices(const Source& source, const std::vector<ServiceKey>& keys,
                    std::vector<std::pair<size_t, Service>>* services) {
  CommandBatch batch;
  for (const ServiceKey& key : keys) {
    AttributeWriter writer = batch.Add(IPVS_CMD_GET_SERVICE, IPVS_GENL_VERSION, Confirmation::kOwn);
    EncodeServiceKey(key, &writer);
  }
  std::vector<Answer> answers;
  source.connection->Exchange(&batch, source.deadline, &answers);
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
Failure AddMissed(const Source& source, std::vector<Service>* seen,
                  std::vector<Service>* services) {
  SortUnique(seen);
  std::vector<Service> doubtful;
  std::set_difference(seen->begin(), seen->end(), services->begin(), services->end(),
                      std::back_inserter(doubtful), Before<Service>);
  std::vector<ServiceKey> keys;
  keys.reserve(doubtful.size());
  for (const Service& service : doubtful) keys.push_back(service.key);
  std::vector<std::pair<size_t, Service>> found;
  if (Failure failure = GetServices(source, keys, &found)) return failure;
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
      : source_{connection, deadline}, settle_(settle) {}

  Failure Read(Table* table) {
    const std::vector<Service>& services = lists_->services.records;
    if (Failure failure = ReadServices()) return failure;
    if (Failure failure = Renew(services, table)) return failure;
    if (!settle_) return Failure();

    // Two lists in a row have to agree. What is new, or was torn from one of them, shows.
    bool stable = false;
    for (int attempt = 1; !stable && attempt <= kAttempts; attempt++) {
      if (Failure failure = ReadServices()) return failure;
      stable = Same(services, table->services);
      if (stable) break;
      seen_.insert(seen_.end(), table->services.begin(), table->services.end());
      if (Failure failure = Renew(services, table)) return failure;
    }
    if (!stable) {
      if (Failure failure = AddMissed(source_, &seen_, &lists_->services.records)) return failure;
      if (Failure failure = Renew(services, table)) return failure;
    }
    table->settled = stable && destinations_settled_;
    return Failure();
  }

 private:
  // Once, into lists_->services.
  Failure ReadServices() {
    Failure failure = ReadOnce(source_, ServicesDump(), &lists_->services);
    SortUnique(&lists_->services.records);
    return failure;
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
    const DestinationsDump dump{service};
    if (!settle_) {
      Failure failure = ReadOnce(source_, dump, &lists_->destinations);
      SortUnique(&lists_->destinations.records);
      return failure;
    }
    bool settled = true;
    Failure failure = Settle(source_, dump, &lists_->destinations, &settled, nullptr);
    destinations_settled_ = destinations_settled_ && settled;
    return failure;
  }

  Source source_;
  bool settle_;
  std::vector<Service> seen_;  // in a dump of the list before the last
  BorrowedLists lists_;
  bool destinations_settled_ = true;
};

}  // namespace

template <typename T>
Revision<T>::Revision(std::vector<T>* records) : records_(records), seen_(records->size()) {}

template <typename T>
void Revision<T>::Add(const T& record) {
  const size_t at = Find(record);
  if (at == records_->size()) {
    added_.push_back(record);
    return;
  }
  T* known = &(*records_)[at];
  changed_ = changed_ || !Same(*known, record);
  *known = record;
  seen_[at] = true;
}

template <typename T>
size_t Revision<T>::Find(const T& record) {
  // Mostly one beside the one before: the kernel lists in the order of additions, or against it.
  const auto is_at = [this, &record](size_t at) {
    return at < records_->size() && Compare((*records_)[at].key, record.key) == 0;
  };
  if (is_at(last_ - 1)) return --last_;  // wraps to what no list has
  if (is_at(last_ + 1)) return ++last_;
  const auto at = std::lower_bound(records_->begin(), records_->end(), record, Before<T>);
  if (at == records_->end() || Before(record, *at)) return records_->size();
  last_ = static_cast<size_t>(at - records_->begin());
  return last_;
}

template <typename T>
bool Revision<T>::Finish(std::vector<T>* gone) {
  size_t kept = 0;
  for (size_t i = 0; i < seen_.size(); i++) {
    if (seen_[i]) {
      (*records_)[kept++] = (*records_)[i];
    } else if (gone != nullptr) {
      gone->push_back((*records_)[i]);
    }
  }
  if (kept == seen_.size() && added_.empty()) return !changed_;
  records_->resize(kept);
  records_->insert(records_->end(), added_.begin(), added_.end());
  SortUnique(records_);
  return false;
}

template class Revision<Service>;
template class Revision<Destination>;

Failure ListServices(Connection* connection, const Deadline& deadline, Dumped<Service>* list) {
  const Source source{connection, deadline};
  std::vector<Service> gone;
  bool settled = true;
  if (Failure failure = Settle(source, ServicesDump(), list, &settled, &gone)) return failure;
  return settled ? Failure() : AddMissed(source, &gone, &list->records);
}

Failure ListDestinations(Connection* connection, const ServiceKey& service,
                         const Deadline& deadline, Dumped<Destination>* list) {
  bool settled = true;
  return Settle({connection, deadline}, DestinationsDump{service}, list, &settled, nullptr);
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
  Failure failure = ReadOnce({connection, deadline}, DaemonsDump(), dumped);
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
  if (Failure failure = GetServices({connection, deadline}, keys, &found)) return failure;
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
