// Netlink messages: headers, acknowledgements and their extended part. Knows no family.
#ifndef IPVS_CORE_MESSAGE_H_
#define IPVS_CORE_MESSAGE_H_

#include <linux/netlink.h>

#include <string>

#include "attribute.h"
#include "bytes.h"

namespace ipvs {

// One message of a datagram.
struct Message {
  nlmsghdr header{};
  ByteView payload;
};

// Walks the messages of one datagram.
class MessageReader {
 public:
  explicit MessageReader(ByteView datagram) : rest_(datagram) {}

  bool Next(Message* message);
  // False once a length did not fit; the walk ends there.
  bool ok() const { return ok_; }

 private:
  ByteView rest_;
  bool ok_ = true;
};

// What an NLMSG_ERROR or an NLMSG_DONE says. `error` is a positive errno, 0 for "done".
struct Acknowledgement {
  int error = 0;
  std::string text;      // NLMSGERR_ATTR_MSG
  uint32_t offset = 0;   // NLMSGERR_ATTR_OFFS: where in the request the culprit is
  uint32_t missing = 0;  // NLMSGERR_ATTR_MISS_TYPE: which attribute was not sent
  bool has_offset = false;
  bool has_missing = false;

  // The extended part as one sentence, empty where the kernel gave none.
  std::string Detail() const;
};

// Both return false where the payload is too short to hold an answer.
bool DecodeErrorMessage(const Message& message, Acknowledgement* ack);
bool DecodeDoneMessage(const Message& message, Acknowledgement* ack);

}  // namespace ipvs

#endif  // IPVS_CORE_MESSAGE_H_
