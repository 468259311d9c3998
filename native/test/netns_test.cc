#include "core/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "conversation.h"
#include "core/file_lock.h"
#include "harness.h"
#include "peer.h"

namespace ipvs::test {
namespace {

// Which network namespace the calling thread is in, as the kernel names it: "net:[4026531833]".
std::string Here() {
  char name[64] = {};
  const ssize_t size = ::readlink("/proc/thread-self/ns/net", name, sizeof(name) - 1);
  return size < 0 ? "nowhere" : name;
}

using Space = std::shared_ptr<const NetworkNamespace>;

// A namespace of its own, kept by a thread that does nothing else and reached by its file.
class OtherSpace {
 public:
  OtherSpace() {
    keeper_ = std::thread([this] {
      const bool made = ::unshare(CLONE_NEWNET) == 0;
      std::unique_lock<std::mutex> lock(mutex_);
      name_ = Here();
      path_ = made ? "/proc/self/task/" + std::to_string(::gettid()) + "/ns/net" : "";
      ready_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return released_; });
    });
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return ready_; });
  }
  ~OtherSpace() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      released_ = true;
    }
    changed_.notify_all();
    keeper_.join();
  }

  // Where this is not permitted the test that asks is told to be skipped.
  bool Made() const {
    if (path_.empty()) skipped = "making a network namespace needs CAP_SYS_ADMIN";
    return !path_.empty();
  }
  const std::string& path() const { return path_; }
  const std::string& name() const { return name_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  bool released_ = false;
  std::string path_;
  std::string name_;
  std::thread keeper_;
};

// A directory that goes away with what was put into it.
class Directory {
 public:
  Directory() {
    char name[] = "/tmp/ipvs-core-test-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    path_ = name;
  }
  ~Directory() {
    ::unlink(File().c_str());
    ::rmdir(path_.c_str());
  }
  std::string File() const { return path_ + "/file"; }

 private:
  std::string path_;
};

void MakeFile(const std::string& path) {
  ::close(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

TEST(
    "Work in another namespace is done there, on a thread of its own, and ours stays where it is") {
  const OtherSpace other;
  if (!other.Made()) return;
  const std::string before = Here();
  CHECK(before != other.name());
  Space space;
  CHECK_EQ(Describe(NetworkNamespace::Open(other.path(), &space)), "ok");
  std::string there;
  const Failure failure = space->Run([&there, caller = std::this_thread::get_id()] {
    there = Here();
    CHECK(std::this_thread::get_id() != caller);
    return Failure::Refused(EEXIST, "the work's own result");
  });
  CHECK_EQ(Describe(failure), "refused 17: the work's own result");
  CHECK_EQ(there, other.name());
  CHECK_EQ(Here(), before);
}

TEST("A namespace can be entered any number of times, also when its name is gone") {
  const Directory directory;
  Space space;
  std::string name;
  {
    const OtherSpace other;
    if (!other.Made()) return;
    name = other.name();
    CHECK_EQ(::symlink(other.path().c_str(), directory.File().c_str()), 0);
    CHECK_EQ(Describe(NetworkNamespace::Open(directory.File(), &space)), "ok");
  }
  for (int i = 0; i < 3; i++) {
    std::string there;
    CHECK_EQ(Describe(space->Run([&there] {
               there = Here();
               return Failure();
             })),
             "ok");
    CHECK_EQ(there, name);
  }
}

TEST("The own namespace can be entered by its file") {
  Space space;
  CHECK_EQ(Describe(NetworkNamespace::Open("/proc/self/ns/net", &space)), "ok");
  if (!space) return;
  std::string there = "not run";
  const Failure failure = space->Run([&there] {
    there = Here();
    return Failure();
  });
  // Entering takes a capability even where one already is.
  if (failure.error == EPERM) {
    CHECK_EQ(Describe(failure), "system call setns 1");
    CHECK_EQ(there, "not run");
  } else {
    CHECK_EQ(Describe(failure), "ok");
    CHECK_EQ(there, Here());
  }
}

TEST("A file that is not there cannot be opened") {
  Space space;
  CHECK_EQ(Describe(NetworkNamespace::Open("/proc/self/ns/no-such-file", &space)),
           "system call open 2");
  CHECK(space == nullptr);
}

TEST("A file that is no network namespace is opened, but not entered") {
  const Directory directory;
  MakeFile(directory.File());
  // The last one is a namespace, and could be entered if only it were asked for.
  for (const std::string& path : {directory.File(), std::string("/proc/self/ns/uts")}) {
    row = path;
    Space space;
    CHECK_EQ(Describe(NetworkNamespace::Open(path, &space)), "ok");
    bool run = false;
    CHECK_EQ(Describe(space->Run([&run] {
               run = true;
               return Failure();
             })),
             "system call setns 22");
    CHECK(!run);
  }
}

TEST("A namespace that is held open is not handed on to programs") {
  Space space;
  CHECK_EQ(Describe(NetworkNamespace::Open("/proc/self/ns/net", &space)), "ok");
  bool found = false;
  for (int fd = 0; fd < 1024; fd++) {
    char name[64] = {};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    if (::readlink(link.c_str(), name, sizeof(name) - 1) < 0 || name != Here()) continue;
    found = true;
    CHECK_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  }
  CHECK(found);
}

TEST("A pipe by the name of a namespace does not hold up who opens it") {
  const Directory directory;
  CHECK_EQ(::mkfifo(directory.File().c_str(), 0600), 0);
  Space space;
  CHECK_EQ(Describe(NetworkNamespace::Open(directory.File(), &space)), "ok");
  CHECK_EQ(Describe(space->Run([] { return Failure(); })), "system call setns 22");
}

TEST("Without a namespace work is done right here") {
  bool here = false;
  RunIn(nullptr, [&here, caller = std::this_thread::get_id()] {
    here = std::this_thread::get_id() == caller;
    return Failure();
  });
  CHECK(here);
}

TEST("A file is locked for one descriptor at a time, until that is closed") {
  const Directory directory;
  MakeFile(directory.File());
  const auto open = [&directory] {
    return UniqueFd(::open(directory.File().c_str(), O_RDWR | O_CLOEXEC));
  };
  UniqueFd first = open();
  const UniqueFd second = open();
  CHECK_EQ(Describe(LockFile(first.get())), "ok");
  CHECK_EQ(Describe(LockFile(first.get())), "ok");
  CHECK_EQ(Describe(LockFile(second.get())), "system call flock 11");
  first.Reset();
  CHECK_EQ(Describe(LockFile(second.get())), "ok");
  CHECK_EQ(Describe(LockFile(-1)), "system call flock 9");
}

TEST("A namespace is the same by whichever path it was reached, and is no other") {
  const OtherSpace other;
  if (!other.Made()) return;
  Space by_task, by_descriptor;
  NetworkNamespace::Open(other.path(), &by_task);
  const UniqueFd fd(::open(other.path().c_str(), O_RDONLY | O_CLOEXEC));
  NetworkNamespace::Open("/proc/self/fd/" + std::to_string(fd.get()), &by_descriptor);
  SpaceIdentity here, task, descriptor, inside;
  CHECK_EQ(Describe(Identify(nullptr, &here)), "ok");
  CHECK_EQ(Describe(Identify(by_task.get(), &task)), "ok");
  CHECK_EQ(Describe(Identify(by_descriptor.get(), &descriptor)), "ok");
  by_task->Run([&inside] { return Identify(nullptr, &inside); });
  CHECK(task.cookie != 0 || task.name == other.name());
  CHECK(task.cookie != here.cookie || task.name != here.name);
  for (const SpaceIdentity* same : {&descriptor, &inside}) {
    CHECK_EQ(same->cookie, task.cookie);
    CHECK_EQ(same->name, task.name);
  }
}

// A peer that lives in another namespace.
std::unique_ptr<Peer> PeerIn(const std::string& path, const Peer::Script& script = AcknowledgeAll) {
  std::unique_ptr<Peer> peer;
  Space space;
  NetworkNamespace::Open(path, &space);
  space->Run([&peer, &script] {
    peer.reset(new Peer(script));
    return Failure();
  });
  return peer;
}

TEST("A connection lives in the namespace that it was told by path, also after it was reopened") {
  const OtherSpace other;
  if (!other.Made()) return;
  const Directory directory;
  CHECK_EQ(::symlink(other.path().c_str(), directory.File().c_str()), 0);
  size_t asked_so_far = 0;
  const std::unique_ptr<Peer> peer =
      PeerIn(other.path(), [&asked_so_far](const Peer& self, const std::vector<Asked>& asked) {
        if (++asked_so_far != 2) AcknowledgeAll(self, asked);
      });
  Connection::Options options = peer->options();
  options.space_path = directory.File();
  Connection connection(options);
  CHECK(connection.space() == nullptr);
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK(connection.space() != nullptr);
  // Its name means another one by now.
  ::unlink(directory.File().c_str());
  CHECK_EQ(::symlink("/proc/self/ns/net", directory.File().c_str()), 0);
  // An answer that does not come closes the socket.
  CHECK_EQ(Exchange(&connection, 1, kShort), "no answer");
  CHECK_EQ(Exchange(&connection, 1), "ok");
  CHECK_EQ(Log(peer->Stop()), "family 1c:0 1c:0 1c:0");
}

TEST("A connection lives in the namespace that it was given open") {
  const OtherSpace other;
  if (!other.Made()) return;
  const std::unique_ptr<Peer> peer = PeerIn(other.path());
  Connection::Options options = peer->options();
  NetworkNamespace::Open(other.path(), &options.space);
  options.space_path = "/no/such/file";  // not looked at
  Connection connection(options);
  CHECK_EQ(Exchange(&connection, 1), "ok");
  // And nobody is there where this thread is.
  Connection here(peer->options());
  CHECK_EQ(Exchange(&here, 1), "system call sendmsg 111");
}

TEST("A connection that was closed keeps neither a descriptor nor the namespace") {
  Peer peer(AcknowledgeAll);
  Connection::Options options = peer.options();
  CHECK_EQ(Describe(NetworkNamespace::Open("/proc/self/ns/net", &options.space)), "ok");
  const std::weak_ptr<const NetworkNamespace> space = options.space;
  Connection connection(std::move(options));
  connection.EnsureOpen();
  CHECK(!space.expired());
  connection.Close();
  CHECK(space.expired());
  CHECK_EQ(FindSocket(NETLINK_USERSOCK, static_cast<uint32_t>(::getpid())), -1);
}

TEST("A connection to a namespace that is not there says what failed and sends nothing") {
  Peer peer(AcknowledgeAll);
  Connection::Options options = peer.options();
  options.space_path = "/no/such/file";
  Connection connection(options);
  CHECK_EQ(Describe(connection.EnsureOpen()), "system call open 2");
  CHECK_EQ(Exchange(&connection, 2), "system call open 2, system call open 2");
  CHECK_EQ(Log(peer.Stop()), "");
}

TEST("A connection that came before its namespace finds it later") {
  // `ip netns add` makes a plain file first, and mounts the namespace on it afterwards.
  const Directory directory;
  MakeFile(directory.File());
  const OtherSpace other;
  if (!other.Made()) return;
  const std::unique_ptr<Peer> peer = PeerIn(other.path());
  Connection::Options options = peer->options();
  options.space_path = directory.File();
  Connection connection(options);
  CHECK_EQ(Describe(connection.EnsureOpen()), "system call setns 22");
  CHECK(connection.space() == nullptr);
  ::unlink(directory.File().c_str());
  CHECK_EQ(::symlink(other.path().c_str(), directory.File().c_str()), 0);
  CHECK_EQ(Describe(connection.EnsureOpen()), "ok");
  CHECK_EQ(Exchange(&connection, 1), "ok");
}

}  // namespace
}  // namespace ipvs::test
