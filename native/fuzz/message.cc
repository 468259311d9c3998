// Any datagram: the walk over its messages, and what each of them can be taken for.

#include "core/message.h"

#include "core/generic.h"
#include "property.h"

using namespace ipvs;
using namespace ipvs::fuzz;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  MessageReader reader(ByteView(data, size));
  Message message;
  size_t at = 0;  // where the next message starts
  while (reader.Next(&message)) {
    HOLDS(at + 16 <= size);
    const size_t length = Load<uint32_t>(data + at);
    HOLDS(message.header.nlmsg_len == length);
    HOLDS(message.header.nlmsg_type == Load<uint16_t>(data + at + 4));
    HOLDS(message.payload.size == length - 16);
    HOLDS(message.payload.empty() || message.payload.data == data + at + 16);
    HOLDS(at + length <= size);
    at += (length + 3) / 4 * 4;

    Acknowledgement ack;
    HOLDS(DecodeErrorMessage(message, &ack) == (message.payload.size >= 20));
    HOLDS(ack.error >= 0 && ack.error < 4096);
    Acknowledgement done;
    HOLDS(DecodeDoneMessage(message, &done) == (message.payload.size >= 4));
    HOLDS(done.error >= 0 && done.error < 4096);

    ByteView attributes;
    HOLDS(GenericPayload(message, &attributes) == (message.payload.size >= 4));
    HOLDS(message.payload.size < 4 || attributes.size == message.payload.size - 4);
  }
  // The last message may lack its padding. What is left over ends the walk with a failure.
  HOLDS(reader.ok() == (at >= size));
  HOLDS(!reader.Next(&message));
  return 0;
}
