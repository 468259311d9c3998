// What the tests of Exchange and Dump share: telling apart what was asked, and how it went.
#ifndef IPVS_TEST_CONVERSATION_H_
#define IPVS_TEST_CONVERSATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/connection.h"
#include "peer.h"

namespace ipvs::test {

// Milliseconds: never reached where an answer comes, and awaited where none comes. Nothing is
// measured more finely than by kEndless, the time after which something waits that must not.
constexpr int64_t kLong = 20000;
constexpr int64_t kShort = 200;
constexpr int64_t kEndless = 10000;

class Stopwatch {
 public:
  int64_t Milliseconds() const { return Now() - start_; }

 private:
  static int64_t Now();
  int64_t start_ = Now();
};

// Commands that can be told apart: 0, 1, 2 ... in a row. In a plan each has a letter: 's' for one
// whose acknowledgement is shared, 'o' for one that has its own. Without a plan all have their own.
CommandBatch Commands(const std::string& plan);
CommandBatch Commands(size_t count);
uint32_t NumberOf(const Asked& asked);

// Sends as many commands and tells how each went: "ok, refused 17, no answer".
std::string Exchange(Connection* connection, const std::string& plan, int64_t milliseconds = kLong);
std::string Exchange(Connection* connection, size_t count, int64_t milliseconds = kLong);
std::string Describe(const Failure& failure);
std::string Describe(const std::vector<Answer>& answers);

// What was asked, a word for each datagram: "family 1c:0 family 1d:0,1".
std::string Log(const std::vector<Asked>& asked);
// The same of one datagram, with a '!' where an acknowledgement is asked for: "0,1!,2!".
std::string Wanted(const std::vector<Asked>& asked);

// The descriptor of this process's netlink socket on a port, or on any; -1 where there is none.
int FindSocket(int protocol, uint32_t port = 0);

}  // namespace ipvs::test

#endif  // IPVS_TEST_CONVERSATION_H_
