#include "generic.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>

namespace ipvs {

void EncodeGetFamily(const char* name, CommandBatch* batch) {
  AttributeWriter writer = batch->Add(CTRL_CMD_GETFAMILY, 1, Confirmation::kOwn);
  writer.NulString(CTRL_ATTR_FAMILY_NAME, name);
}

bool GenericPayload(const Message& message, ByteView* attributes) {
  if (message.payload.size < sizeof(genlmsghdr)) return false;
  *attributes = message.payload.From(sizeof(genlmsghdr));
  return true;
}

bool DecodeFamilyId(ByteView attributes, uint16_t* id, DecodeError* error) {
  *id = 0;
  AttributeReader reader(attributes, "family", error);
  while (reader.Next()) {
    if (reader.type() == CTRL_ATTR_FAMILY_ID) *id = reader.U16("CTRL_ATTR_FAMILY_ID");
  }
  // Numbers below NLMSG_MIN_TYPE are netlink's own: the kernel acknowledges them and does nothing.
  if (error->ok() && *id < NLMSG_MIN_TYPE) error->Set("CTRL_ATTR_FAMILY_ID", "is missing");
  return error->ok();
}

}  // namespace ipvs
