// Generic netlink: how a family's number is found, and where its messages' attributes start.
#ifndef IPVS_CORE_GENERIC_H_
#define IPVS_CORE_GENERIC_H_

#include "attribute.h"
#include "bytes.h"
#include "command_batch.h"
#include "message.h"

namespace ipvs {

// GETFAMILY also makes the kernel load the module that provides the family (genl_ctrl's
// request_module), from whatever container it is asked.
void EncodeGetFamily(const char* name, CommandBatch* batch);

// The attributes of a generic netlink message, behind its header; false if it is too short.
bool GenericPayload(const Message& message, ByteView* attributes);

// The family's number from the answer to GETFAMILY.
bool DecodeFamilyId(ByteView attributes, uint16_t* id, DecodeError* error);

}  // namespace ipvs

#endif  // IPVS_CORE_GENERIC_H_
