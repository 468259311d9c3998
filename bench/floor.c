// The floor of the benchmark: a table of IPVS written or read by plain C over raw generic netlink,
// with as few system calls as the kernel allows. What is left is the kernel's own cost, by which
// the library is measured.
//
//   floor [--netns FILE] [--up] [--one] [--first N] [--repeat N] MODE SERVICES DESTINATIONS
//
//   add                the whole table         remove    the same, destinations first
//   add-services       its services            dump      all services, then each one's destinations
//   add-destinations   its destinations        get       the first service, N times
//   set                other weights           dump-destination   the first service's, N times
//   up                 nothing but what --up does: bring the loopback up, before the clock starts
//
// Batched: requests share a datagram, only its last one asks to be acknowledged (the kernel reports
// a failure in any case), so that a datagram costs two system calls. --one: a datagram for each
// request. --first: of all destinations together only so many are written.
//
// Prints one line of JSON. "nanoseconds" is the time for encoding, the system calls and looking at
// the answers; not in it are the start of the program, the socket, the lookup of the family, and
// the first touch of the buffers. The rules are those of rules.js.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Numbers of include/uapi/linux/ip_vs.h.
enum {
  NEW_SERVICE = 1,
  DEL_SERVICE = 3,
  GET_SERVICE = 4,
  NEW_DEST = 5,
  SET_DEST = 6,
  DEL_DEST = 7,
  GET_DEST = 8,
  ATTR_SERVICE = 1,
  ATTR_DEST = 2,
  SVC_AF = 1,
  SVC_PROTOCOL = 2,
  SVC_ADDR = 3,
  SVC_PORT = 4,
  SVC_SCHED_NAME = 6,
  SVC_FLAGS = 7,
  SVC_TIMEOUT = 8,
  SVC_NETMASK = 9,
  DEST_ADDR = 1,
  DEST_PORT = 2,
  DEST_FWD_METHOD = 3,
  DEST_WEIGHT = 4,
  DEST_U_THRESH = 5,
  DEST_L_THRESH = 6,
};

enum {
  // Larger ones gain nothing: a system call is then a thousandth of what the kernel does in it.
  DATAGRAM = 256 * 1024,
  // More than a message takes.
  MESSAGE_MAX = 512,
  // The kernel makes the pieces of a dump no larger than 32 KiB, whatever it is offered.
  PIECE = 64 * 1024,
  PIECES = 8,
  NEW_WEIGHT = 50,
};

static int netlink;
static uint16_t family;
static uint32_t sequence;
static uint64_t system_calls;
static bool one_by_one;

static uint8_t* datagram;
static size_t used;
static struct nlmsghdr* last;

static uint8_t* pieces[PIECES];
static struct iovec piece_parts[PIECES];
static struct mmsghdr piece_headers[PIECES];

static void fail(const char* what, int error) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
  exit(1);
}

// ---- the table

static uint32_t service_address(uint32_t service) { return htonl(0x0a000000 + service); }

static uint32_t destination_address(uint32_t number) { return htonl(0x0a800000 + number); }

static uint32_t weight_of(uint32_t number) { return 1 + number % 10; }

// ---- encoding

static struct nlmsghdr* begin(uint16_t type, uint16_t flags, uint8_t command) {
  struct nlmsghdr* message = (struct nlmsghdr*)(datagram + used);
  struct genlmsghdr* generic = NLMSG_DATA(message);
  *message = (struct nlmsghdr){
      .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
      .nlmsg_type = type,
      .nlmsg_flags = NLM_F_REQUEST | flags,
      .nlmsg_seq = ++sequence,
  };
  *generic = (struct genlmsghdr){.cmd = command, .version = 1};
  return message;
}

static void put(struct nlmsghdr* message, uint16_t type, const void* value, uint16_t size) {
  struct nlattr* attribute = (struct nlattr*)((uint8_t*)message + message->nlmsg_len);
  const uint32_t room = NLA_ALIGN(NLA_HDRLEN + size);
  memset((uint8_t*)attribute + room - 4, 0, 4);
  *attribute = (struct nlattr){.nla_len = NLA_HDRLEN + size, .nla_type = type};
  memcpy((uint8_t*)attribute + NLA_HDRLEN, value, size);
  message->nlmsg_len += room;
}

static void put16(struct nlmsghdr* message, uint16_t type, uint16_t value) {
  put(message, type, &value, sizeof(value));
}

static void put32(struct nlmsghdr* message, uint16_t type, uint32_t value) {
  put(message, type, &value, sizeof(value));
}

static struct nlattr* open_nest(struct nlmsghdr* message, uint16_t type) {
  struct nlattr* nest = (struct nlattr*)((uint8_t*)message + message->nlmsg_len);
  *nest = (struct nlattr){.nla_len = NLA_HDRLEN, .nla_type = NLA_F_NESTED | type};
  message->nlmsg_len += NLA_HDRLEN;
  return nest;
}

static void close_nest(struct nlmsghdr* message, struct nlattr* nest) {
  nest->nla_len = (uint16_t)((uint8_t*)message + message->nlmsg_len - (uint8_t*)nest);
}

static void put_service(struct nlmsghdr* message, uint32_t address, bool whole) {
  struct nlattr* nest = open_nest(message, ATTR_SERVICE);
  put16(message, SVC_AF, AF_INET);
  put16(message, SVC_PROTOCOL, IPPROTO_TCP);
  put32(message, SVC_ADDR, address);
  put16(message, SVC_PORT, htons(80));
  if (whole) {
    const uint32_t flags_and_mask[2] = {0, ~0u};
    put(message, SVC_SCHED_NAME, "wrr", 4);
    put(message, SVC_FLAGS, flags_and_mask, sizeof(flags_and_mask));
    put32(message, SVC_TIMEOUT, 0);
    put32(message, SVC_NETMASK, ~0u);
  }
  close_nest(message, nest);
}

static void put_destination(struct nlmsghdr* message, uint32_t number, bool whole,
                            uint32_t weight) {
  struct nlattr* nest = open_nest(message, ATTR_DEST);
  put32(message, DEST_ADDR, destination_address(number));
  put16(message, DEST_PORT, htons(8080));
  if (whole) {
    put32(message, DEST_FWD_METHOD, 0);  // masquerading
    put32(message, DEST_WEIGHT, weight);
    put32(message, DEST_U_THRESH, 0);
    put32(message, DEST_L_THRESH, 0);
  }
  close_nest(message, nest);
}

// ---- writing

static void send_datagram(void) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  struct iovec part = {datagram, used};
  struct msghdr message = {
      .msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = &part, .msg_iovlen = 1};
  system_calls++;
  if (sendmsg(netlink, &message, 0) != (ssize_t)used) fail("sendmsg", errno);
  used = 0;
}

static size_t receive(void) {
  struct msghdr message = {.msg_iov = &piece_parts[0], .msg_iovlen = 1};
  system_calls++;
  const ssize_t size = recvmsg(netlink, &message, 0);
  if (size < 0) fail("recvmsg", errno);
  if (message.msg_flags & MSG_TRUNC) fail("recvmsg", EMSGSIZE);
  return (size_t)size;
}

static void check(const struct nlmsghdr* message) {
  const struct nlmsgerr* answer = NLMSG_DATA(message);
  if (answer->error != 0) fail("the kernel's answer", -answer->error);
}

// Sends what is gathered. Its last acknowledgement comes after every failure.
static void flush(void) {
  if (used == 0) return;
  const uint32_t final = last->nlmsg_seq;
  last->nlmsg_flags |= NLM_F_ACK;
  send_datagram();
  for (;;) {
    size_t rest = receive();
    struct nlmsghdr* message = (struct nlmsghdr*)pieces[0];
    for (; NLMSG_OK(message, rest); message = NLMSG_NEXT(message, rest)) {
      if (message->nlmsg_type == NLMSG_ERROR) check(message);
      if (message->nlmsg_seq == final) return;
    }
  }
}

static void end(struct nlmsghdr* message) {
  last = message;
  used += NLMSG_ALIGN(message->nlmsg_len);
  if (one_by_one || used + MESSAGE_MAX > DATAGRAM) flush();
}

static void change_service(uint8_t command, uint32_t service) {
  struct nlmsghdr* message = begin(family, 0, command);
  put_service(message, service_address(service), command == NEW_SERVICE);
  end(message);
}

static void change_destination(uint8_t command, uint32_t service, uint32_t number,
                               uint32_t weight) {
  struct nlmsghdr* message = begin(family, 0, command);
  put_service(message, service_address(service), false);
  put_destination(message, number, command != DEL_DEST, weight);
  end(message);
}

static void get_service(uint32_t service) {
  struct nlmsghdr* message = begin(family, 0, GET_SERVICE);
  put_service(message, service_address(service), false);
  used = message->nlmsg_len;
  send_datagram();
  receive();
  message = (struct nlmsghdr*)pieces[0];
  if (message->nlmsg_type == NLMSG_ERROR) check(message);
}

// ---- reading

static const void* find(const void* from, size_t size, uint16_t type) {
  const uint8_t* at = from;
  const uint8_t* stop = at + size;
  while (stop - at >= NLA_HDRLEN) {
    const struct nlattr* attribute = (const struct nlattr*)at;
    if ((attribute->nla_type & NLA_TYPE_MASK) == type) return attribute;
    at += NLA_ALIGN(attribute->nla_len);
  }
  fail("an answer lacks an attribute", EPROTO);
  return NULL;
}

// A 32-bit value in the nest of a record.
static uint32_t value_in(const struct nlmsghdr* message, uint16_t nest_type, uint16_t type) {
  const uint8_t* body = (const uint8_t*)NLMSG_DATA(message) + GENL_HDRLEN;
  const struct nlattr* nest = find(body, message->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN), nest_type);
  const struct nlattr* attribute =
      find((const uint8_t*)nest + NLA_HDRLEN, nest->nla_len - NLA_HDRLEN, type);
  uint32_t value;
  memcpy(&value, (const uint8_t*)attribute + NLA_HDRLEN, sizeof(value));
  return value;
}

typedef void Record(const struct nlmsghdr* message);

// False once the dump is done.
static bool look_at(const uint8_t* piece, size_t rest, Record* record) {
  const struct nlmsghdr* message = (const struct nlmsghdr*)piece;
  for (; NLMSG_OK(message, rest); message = NLMSG_NEXT(message, rest)) {
    if (message->nlmsg_flags & NLM_F_DUMP_INTR) fail("the dump", EINTR);
    if (message->nlmsg_type == NLMSG_ERROR) check(message);
    if (message->nlmsg_type == NLMSG_DONE) return false;
    record(message);
  }
  return true;
}

// The end of a dump always comes in a piece of its own; recvmmsg takes it with the one before.
static void dump(struct nlmsghdr* request, Record* record) {
  used = request->nlmsg_len;
  send_datagram();
  for (bool more = true; more;) {
    system_calls++;
    const int count = recvmmsg(netlink, piece_headers, PIECES, MSG_WAITFORONE, NULL);
    if (count < 0) fail("recvmmsg", errno);
    for (int index = 0; index < count; index++) {
      more = look_at(pieces[index], piece_headers[index].msg_len, record);
    }
  }
}

static uint32_t* found;  // addresses of services
static uint64_t services_found, destinations_found, weights_found;

static void found_service(const struct nlmsghdr* message) {
  found[services_found++] = value_in(message, ATTR_SERVICE, SVC_ADDR);
}

static void found_destination(const struct nlmsghdr* message) {
  destinations_found++;
  weights_found += value_in(message, ATTR_DEST, DEST_WEIGHT);
}

static void dump_destinations(uint32_t address) {
  struct nlmsghdr* request = begin(family, NLM_F_DUMP, GET_DEST);
  put_service(request, address, false);
  dump(request, found_destination);
}

static void dump_table(void) {
  dump(begin(family, NLM_F_DUMP, GET_SERVICE), found_service);
  for (uint64_t index = 0; index < services_found; index++) dump_destinations(found[index]);
}

// ---- the program

static void enter(const char* file) {
  const int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) fail(file, errno);
  close(fd);
}

// Without it the kernel takes no IPv4 destination.
static void bring_up_loopback(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING};
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) fail("bringing up the loopback", errno);
  close(fd);
}

static void* touched(size_t size) {
  void* memory = malloc(size);
  if (memory == NULL) fail("malloc", ENOMEM);
  memset(memory, 1, size);
  return memory;
}

static void prepare(uint32_t services) {
  datagram = touched(DATAGRAM);
  // A dump may find more than was asked about; that is then an error and no crash.
  found = touched((services + 1024) * sizeof(*found));
  for (int index = 0; index < PIECES; index++) {
    pieces[index] = touched(PIECE);
    piece_parts[index] = (struct iovec){pieces[index], PIECE};
    piece_headers[index].msg_hdr.msg_iov = &piece_parts[index];
    piece_headers[index].msg_hdr.msg_iovlen = 1;
  }

  netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  if (netlink < 0) fail("socket", errno);
  const int room = 4 * DATAGRAM;
  if (setsockopt(netlink, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0 ||
      setsockopt(netlink, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0) {
    fail("setsockopt", errno);
  }
  // Failures without an echo of the request.
  const int on = 1;
  setsockopt(netlink, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));

  struct nlmsghdr* message = begin(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY);
  put(message, CTRL_ATTR_FAMILY_NAME, "IPVS", 5);
  used = message->nlmsg_len;
  send_datagram();
  receive();
  message = (struct nlmsghdr*)pieces[0];
  if (message->nlmsg_type == NLMSG_ERROR) check(message);
  const uint8_t* body = (const uint8_t*)NLMSG_DATA(message) + GENL_HDRLEN;
  const struct nlattr* id =
      find(body, message->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN), CTRL_ATTR_FAMILY_ID);
  memcpy(&family, (const uint8_t*)id + NLA_HDRLEN, sizeof(family));
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void run(const char* mode, uint32_t services, uint32_t destinations, uint32_t first,
                uint32_t repeat) {
  const uint32_t all = services * destinations;
  const uint32_t written = first < all ? first : all;
  const bool add = strcmp(mode, "add") == 0;
  const bool set = strcmp(mode, "set") == 0;
  const bool remove = strcmp(mode, "remove") == 0;
  const bool add_destinations = add || strcmp(mode, "add-destinations") == 0;

  if (strcmp(mode, "dump") == 0) {
    dump_table();
    return;
  }
  if (strcmp(mode, "get") == 0) {
    for (uint32_t count = 0; count < repeat; count++) get_service(0);
    return;
  }
  if (strcmp(mode, "dump-destination") == 0) {
    for (uint32_t count = 0; count < repeat; count++) dump_destinations(service_address(0));
    return;
  }
  if (add || strcmp(mode, "add-services") == 0) {
    for (uint32_t service = 0; service < services; service++) change_service(NEW_SERVICE, service);
  } else if (!set && !remove && !add_destinations) {
    fail(mode, EINVAL);
  }
  for (uint32_t count = 0; count < repeat; count++) {
    for (uint32_t number = 0; number < written; number++) {
      const uint32_t service = number / destinations;
      if (add_destinations) change_destination(NEW_DEST, service, number, weight_of(number));
      if (set) change_destination(SET_DEST, service, number, NEW_WEIGHT + count % 2);
      if (remove) change_destination(DEL_DEST, service, number, 0);
    }
  }
  for (uint32_t service = 0; remove && service < services; service++) {
    change_service(DEL_SERVICE, service);
  }
  flush();
}

int main(int count, char** arguments) {
  uint32_t first = UINT32_MAX;
  uint32_t repeat = 1;
  int at = 1;
  for (; at < count && arguments[at][0] == '-'; at++) {
    if (strcmp(arguments[at], "--one") == 0) {
      one_by_one = true;
    } else if (strcmp(arguments[at], "--up") == 0) {
      bring_up_loopback();
    } else if (strcmp(arguments[at], "--netns") == 0 && at + 1 < count) {
      enter(arguments[++at]);
    } else if (strcmp(arguments[at], "--first") == 0 && at + 1 < count) {
      first = (uint32_t)atoi(arguments[++at]);
    } else if (strcmp(arguments[at], "--repeat") == 0 && at + 1 < count) {
      repeat = (uint32_t)atoi(arguments[++at]);
    } else {
      fail(arguments[at], EINVAL);
    }
  }
  if (at < count && strcmp(arguments[at], "up") == 0) {
    bring_up_loopback();
    return 0;
  }
  if (count - at != 3) fail("MODE SERVICES DESTINATIONS are wanted", EINVAL);
  const uint32_t services = (uint32_t)atoi(arguments[at + 1]);
  prepare(services);
  system_calls = 0;
  const uint64_t started = now();
  run(arguments[at], services, (uint32_t)atoi(arguments[at + 2]), first, repeat);
  const uint64_t ended = now();
  printf(
      "{\"nanoseconds\":%llu,\"systemCalls\":%llu,\"services\":%llu,\"destinations\":%llu,"
      "\"weights\":%llu}\n",
      (unsigned long long)(ended - started), (unsigned long long)system_calls,
      (unsigned long long)services_found, (unsigned long long)destinations_found,
      (unsigned long long)weights_found);
  return 0;
}
