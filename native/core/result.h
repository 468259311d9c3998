// How an operation of this layer can end. No exceptions: a failure is a value.
#ifndef IPVS_CORE_RESULT_H_
#define IPVS_CORE_RESULT_H_

#include <cstdint>
#include <string>
#include <utility>

namespace ipvs {

// The numbers cross into JavaScript (lib/native.ts lists them again): append, never reorder.
enum class Fault : uint8_t {
  kNone = 0,
  kRefused = 1,      // the kernel answered with an errno; nothing was changed
  kSystemCall = 2,   // a system call failed before the request reached the kernel
  kUnavailable = 3,  // the generic netlink family is not there and could not be loaded
  kNotSent = 4,      // the deadline passed before the request was sent
  kNoAnswer = 5,     // sent, but the answer was lost or late: the outcome is not known
  kMalformed = 6,    // an answer came that does not decode
};

struct Failure {
  Fault fault = Fault::kNone;
  int error = 0;                  // errno, where there is one
  const char* syscall = nullptr;  // a literal; for kSystemCall only
  std::string detail;             // extended ACK's text, or the path of the attribute

  explicit operator bool() const { return fault != Fault::kNone; }

  static Failure Refused(int error, std::string detail = {}) {
    return Failure{Fault::kRefused, error, nullptr, std::move(detail)};
  }
  static Failure SystemCall(const char* syscall, int error) {
    return Failure{Fault::kSystemCall, error, syscall, {}};
  }
  static Failure Malformed(std::string detail) {
    return Failure{Fault::kMalformed, 0, nullptr, std::move(detail)};
  }
  static Failure Of(Fault fault, int error = 0) { return Failure{fault, error, nullptr, {}}; }
};

}  // namespace ipvs

#endif  // IPVS_CORE_RESULT_H_
