#include "fou.h"

#include <linux/fou.h>

namespace ipvs {

void EncodeFouPort(Change change, const FouPort& port, CommandBatch* batch) {
  const uint8_t command = change == Change::kRemove ? FOU_CMD_DEL : FOU_CMD_ADD;
  AttributeWriter writer = batch->Add(command, FOU_GENL_VERSION, Confirmation::kOwn);
  writer.Be16(FOU_ATTR_PORT, port.port);
  writer.U8(FOU_ATTR_AF, static_cast<uint8_t>(port.family));
  if (change == Change::kRemove) return;
  writer.U8(FOU_ATTR_TYPE, port.type);
  // 0 is out of range since 6.7, and means the same as none.
  if (port.protocol != 0) writer.U8(FOU_ATTR_IPPROTO, port.protocol);
}

void EncodeListFouPorts(CommandBatch* batch) { batch->AddDump(FOU_CMD_GET, FOU_GENL_VERSION); }

bool DecodeFouPort(ByteView attributes, FouPort* port, DecodeError* error) {
  *port = FouPort();
  SeenAttributes seen;
  AttributeReader reader(attributes, "fou reply", error);
  while (reader.Next()) {
    seen.Add(reader.type());
    switch (reader.type()) {
      case FOU_ATTR_PORT:
        port->port = reader.Be16("FOU_ATTR_PORT");
        break;
      case FOU_ATTR_AF:
        port->family = reader.U8("FOU_ATTR_AF");
        break;
      case FOU_ATTR_TYPE:
        port->type = reader.U8("FOU_ATTR_TYPE");
        break;
      case FOU_ATTR_IPPROTO:
        port->protocol = reader.U8("FOU_ATTR_IPPROTO");
        break;
    }
  }
  static constexpr MandatoryAttribute kMandatory[] = {
      {FOU_ATTR_PORT, "FOU_ATTR_PORT"},
      {FOU_ATTR_AF, "FOU_ATTR_AF"},
      {FOU_ATTR_TYPE, "FOU_ATTR_TYPE"},
  };
  seen.Require(kMandatory, error);
  return error->ok();
}

}  // namespace ipvs
