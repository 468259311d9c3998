// Netlink messages, written as the kernel would and read as it would. Deliberately not made with the
// library's own code: a mistake there would cancel itself out.

/** NLM_F_*, NLMSG_*, GENL_* and CTRL_* that tests need. */
export const MULTI = 0x2;
export const CAPPED = 0x100;
export const ACK_TLVS = 0x200;
const ACK = 0x4;
const DUMP = 0x300;
const ERROR = 2;
const DONE = 3;
const CONTROL = 16;
const GETFAMILY = 3;
const NEWFAMILY = 1;
const FAMILY_ID = 1;

/** The number of the family IPVS, unless a test gives it another. */
export const FAMILY = 28;

/** IPVS_CMD_* */
export const NEW_SERVICE = 1;
export const SET_SERVICE = 2;
export const DEL_SERVICE = 3;
export const GET_SERVICE = 4;
export const NEW_DEST = 5;
export const SET_DEST = 6;
export const GET_DEST = 8;
export const DEL_DAEMON = 10;
export const GET_DAEMON = 11;
export const GET_CONFIG = 13;
export const GET_INFO = 15;
export const FLUSH = 17;
const NEW_DAEMON = 9;
const SET_CONFIG = 12;
const SET_INFO = 14;

export const EINTR = 4;
export const ENOENT = 2;
export const ESRCH = 3;
export const EEXIST = 17;
export const EINVAL = 22;
export const EPERM = 1;

/** One message that the library sent. */
export interface Request {
  /** The port of the socket that it came from. */
  readonly from: number;
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly command: number;
  /** All of it, and what comes behind its two headers. */
  readonly bytes: Buffer;
  readonly attributes: Buffer;
}

export const asksForFamily = ({ type, command }: Request): boolean =>
  type === CONTROL && command === GETFAMILY;

export const isDump = ({ flags }: Request): boolean => (flags & DUMP) === DUMP;

/** Whether success is to be told too; errors always are. */
export const asksForAck = ({ flags }: Request): boolean => (flags & ACK) !== 0;

/** The messages of one datagram. */
export function requestsIn(datagram: Buffer, from: number): Request[] {
  const requests: Request[] = [];
  for (let at = 0; at < datagram.length;) {
    const length = datagram.readUInt32LE(at);
    const bytes = datagram.subarray(at, at + length);
    requests.push({
      from,
      type: bytes.readUInt16LE(4),
      flags: bytes.readUInt16LE(6),
      sequence: bytes.readUInt32LE(8),
      command: bytes.readUInt8(16),
      bytes,
      attributes: bytes.subarray(20),
    });
    at += aligned(length);
  }
  return requests;
}

/** The value of an attribute, through all the nests that are named before it. */
export function valueOf(attributes: Buffer, ...path: readonly number[]): Buffer | undefined {
  const [wanted, ...rest] = path;
  for (let at = 0; at < attributes.length;) {
    const length = attributes.readUInt16LE(at);
    if ((attributes.readUInt16LE(at + 2) & 0x3fff) === wanted) {
      const value = attributes.subarray(at + 4, at + length);
      return rest.length === 0 ? value : valueOf(value, ...rest);
    }
    at += aligned(length);
  }
  return undefined;
}

const aligned = (length: number): number => (length + 3) & ~3;

interface Header {
  readonly type: number;
  readonly flags?: number;
  readonly sequence: number;
  /** nlmsg_pid: the port that an answer is for. */
  readonly port: number;
}

export function message({ type, flags = 0, sequence, port }: Header, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(16 + aligned(payload.length));
  bytes.writeUInt32LE(16 + payload.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.writeUInt32LE(port, 12);
  payload.copy(bytes, 16);
  return bytes;
}

/** What a test may change about an answer that would otherwise be right. */
export type Twist = Partial<Header>;

const headerFor = (request: Request, type: number, twist: Twist): Header => ({
  type,
  sequence: request.sequence,
  port: request.from,
  ...twist,
});

// ---- acknowledgements

function error(
  request: Request,
  errno: number,
  twist: Twist,
  echo: Buffer,
  extension: Buffer,
): Buffer {
  const code = Buffer.alloc(4);
  code.writeInt32LE(-errno);
  return message(headerFor(request, ERROR, twist), Buffer.concat([code, echo, extension]));
}

const nothing = Buffer.alloc(0);
const headerOf = (request: Request): Buffer => request.bytes.subarray(0, 16);

/** "Done", or with an errno "no": of the request only the header comes back. */
export const ack = (request: Request, errno = 0, twist: Twist = {}): Buffer =>
  error(request, errno, { flags: CAPPED, ...twist }, headerOf(request), nothing);

/** The same with an explanation behind it. */
export const explainedAck = (request: Request, errno: number, extension: Buffer): Buffer =>
  error(request, errno, { flags: CAPPED | ACK_TLVS }, headerOf(request), extension);

/** The same from a kernel that sends the whole request back before the explanation. */
export const uncappedAck = (request: Request, errno: number, extension: Buffer): Buffer =>
  error(request, errno, { flags: ACK_TLVS }, request.bytes, extension);

/** What a kernel answers: an error always, and "done" where it was asked for. */
export const verdict = (request: Request, errno = 0): Buffer[] =>
  errno !== 0 || asksForAck(request) ? [ack(request, errno)] : [];

/** The end of a dump. */
export function done(request: Request, errno = 0, extension: Buffer = nothing): Buffer {
  const code = Buffer.alloc(4);
  code.writeInt32LE(-errno);
  const flags = MULTI | (extension.length > 0 ? ACK_TLVS : 0);
  return message(headerFor(request, DONE, { flags }), Buffer.concat([code, extension]));
}

// ---- attributes

export function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(aligned(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

const nest = (type: number, ...inside: Buffer[]): Buffer => attribute(type, Buffer.concat(inside));

export function u16(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return attribute(type, bytes);
}

export function u32(type: number, ...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value, 4 * index));
  return attribute(type, bytes);
}

function be16(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return attribute(type, bytes);
}

export const text = (type: number, value: string): Buffer =>
  attribute(type, Buffer.from(`${value}\0`));

function address(type: number, ipv4: string): Buffer {
  const bytes = Buffer.alloc(16);
  ipv4.split('.').forEach((part, index) => bytes.writeUInt8(Number(part), index));
  return attribute(type, bytes);
}

const counters = (type: number): Buffer => {
  const wide = (index: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(index));
    return attribute(index, bytes);
  };
  return nest(type, ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(wide));
};

// ---- answers with something to tell

const answer = (request: Request, command: number, attributes: Buffer, twist: Twist): Buffer =>
  message(
    headerFor(request, request.type, { flags: isDump(request) ? MULTI : 0, ...twist }),
    Buffer.concat([Buffer.from([command, 1, 0, 0]), attributes]),
  );

export const family = (request: Request, id = FAMILY): Buffer =>
  answer(request, NEWFAMILY, Buffer.concat([text(2, 'IPVS'), u16(FAMILY_ID, id)]), {});

export interface WireService {
  readonly address?: string;
  readonly port?: number;
  readonly scheduler?: string;
}

/** A TCP service. */
export const service = (
  request: Request,
  { address: at = '10.0.0.1', port = 80, scheduler = 'rr' }: WireService = {},
  twist: Twist = {},
): Buffer =>
  answer(
    request,
    NEW_SERVICE,
    nest(
      1,
      u16(1, 2),
      u16(2, 6),
      address(3, at),
      be16(4, port),
      text(6, scheduler),
      u32(7, 2, 0xffffffff),
      u32(8, 0),
      u32(9, 0xffffffff),
      counters(12),
    ),
    twist,
  );

export interface WireDestination {
  readonly address?: string;
  readonly port?: number;
  readonly weight?: number;
}

/** An IPv4 destination by direct routing. */
export const destination = (
  request: Request,
  { address: at = '10.0.1.1', port = 80, weight = 1 }: WireDestination = {},
): Buffer =>
  answer(
    request,
    NEW_DEST,
    nest(
      2,
      address(1, at),
      be16(2, port),
      u32(3, 3),
      u32(4, weight),
      u32(5, 0),
      u32(6, 0),
      u32(7, 0),
      u32(8, 0),
      u32(9, 0),
      u16(11, 2),
      counters(12),
    ),
    {},
  );

/** A sync daemon: 1 is the master, 2 the backup. */
export const daemon = (request: Request, role: number): Buffer =>
  answer(request, NEW_DAEMON, nest(3, u32(1, role), text(2, 'eth0'), u32(3, 7)), {});

export const timeouts = (request: Request): Buffer =>
  answer(request, SET_CONFIG, Buffer.concat([u32(4, 900), u32(5, 120), u32(6, 300)]), {});

export const info = (request: Request): Buffer =>
  answer(request, SET_INFO, Buffer.concat([u32(1, 0x010201), u32(2, 4096)]), {});
