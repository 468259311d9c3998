// What went wrong, as an exit status and as lines on standard error.

import { AbortError, IpvsError } from '../errors.js';
import type { Style } from './terminal.js';

/** Exit statuses: one for each class of outcome. They are API; docs/cli.md has the table. */
export const Exit = {
  done: 0,
  /** A question was answered with no: there are differences, a check failed. */
  no: 1,
  /** The command line, a value in it or a file makes no sense; nothing was changed. */
  usage: 2,
  exists: 3,
  missing: 4,
  forbidden: 5,
  unavailable: 6,
  late: 7,
  /** Sent, but the answer was lost: it may have been carried out. */
  unknown: 8,
  /** The kernel refused, or anything else. */
  failed: 9,
  interrupted: 130,
} as const;

const STATUS_OF: ReadonlyMap<string, number> = new Map(
  Object.entries({
    EEXIST: Exit.exists,
    ESRCH: Exit.missing,
    ENOENT: Exit.missing,
    ENODEV: Exit.missing,
    EPERM: Exit.forbidden,
    EACCES: Exit.forbidden,
    ERR_IPVS_UNAVAILABLE: Exit.unavailable,
    ERR_IPVS_SCHEDULER: Exit.unavailable,
    ERR_IPVS_ENGINE: Exit.unavailable,
    ERR_IPVS_PLATFORM: Exit.unavailable,
    ERR_IPVS_LOAD: Exit.unavailable,
    EAFNOSUPPORT: Exit.unavailable,
    ERR_IPVS_TIMEOUT: Exit.late,
    ERR_IPVS_UNKNOWN_OUTCOME: Exit.unknown,
    ERR_INVALID_ARG_TYPE: Exit.usage,
    ERR_INVALID_ARG_VALUE: Exit.usage,
    ERR_OUT_OF_RANGE: Exit.usage,
    ERR_USAGE: Exit.usage,
    ERR_IPVS_RULES: Exit.usage,
    ERR_IPVS_DESCRIPTION: Exit.usage,
    ERR_IPVS_NO_SUCH_NODE: Exit.missing,
    EROFS: Exit.forbidden,
    ABORT_ERR: Exit.interrupted,
  }),
);

/** A failure of the command line's own. */
export class CliError extends Error {
  static {
    this.prototype.name = 'CliError';
  }

  readonly code: string;
  declare readonly hint?: string;

  constructor(code: string, message: string, hint?: string) {
    super(message);
    this.code = code;
    if (hint !== undefined) this.hint = hint;
  }
}

/** A mistake in what was typed. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError('ERR_USAGE', message, hint);
}

function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

export function statusOf(error: unknown): number {
  return STATUS_OF.get(codeOf(error) ?? '') ?? Exit.failed;
}

// The library speaks to programmers: of its own functions and properties.
const HINTS: readonly (readonly [inHint: RegExp, here: string])[] = [
  [/ensureService\(\)/g, 'with --ensure, "ipvs add service"'],
  [/ensureDestination\(\)/g, 'with --ensure, "ipvs add server"'],
  [/listServices\(\)|listDestinations\(\)/g, '"ipvs list"'],
  [/stopSyncDaemon\(\) first/g, '"ipvs daemon stop" ends it'],
  [/options\.timeout/g, '--deadline'],
];

const PROPERTIES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'service.protocol': 'the protocol',
    'service.address': "the virtual service's address",
    'service.port': "the virtual service's port",
    'service.fwmark': 'the mark',
    'service.scheduler': '--scheduler',
    'service.schedulerFlags': '--flags',
    'service.persistence': '--persistent',
    'service.persistence.timeout': '--persistent',
    'service.persistence.netmask': '--netmask',
    'service.persistence.engine': '--engine',
    'service.onePacket': '--one-packet',
    'destination.address': "the server's address",
    'destination.port': "the server's port",
    'destination.forwarding': 'the forwarding method',
    'destination.weight': '--weight',
    'destination.upperThreshold': '--upper-threshold',
    'destination.lowerThreshold': '--lower-threshold',
    'destination.tunnel': '--tunnel',
    'destination.tunnel.port': '--tunnel-port',
    'destination.tunnel.checksum': '--tunnel-checksum',
    'timeouts.tcp': '--tcp',
    'timeouts.tcpFin': '--tcp-fin',
    'timeouts.udp': '--udp',
    'daemon.role': 'the role',
    'daemon.interface': 'the interface',
    'daemon.syncId': '--sync-id',
    'daemon.maxLength': '--max-length',
    'daemon.group': '--group',
    'daemon.port': '--port',
    'daemon.ttl': '--ttl',
    'options.netns': '--netns',
    'options.timeout': '--deadline',
    'options.protocol': '--protocol',
    'options.client': '--client',
    'options.client.address': '--client',
    'options.client.port': '--client',
    'options.virtual': '--service',
    'options.virtual.address': '--service',
    'options.virtual.port': '--service',
    'options.virtual.fwmark': '--service',
    'options.destination': '--server',
    'options.destination.address': '--server',
    'options.destination.port': '--server',
    'options.limit': '--limit',
  }),
);

// "The property 'operations[0].destination.weight' is …" becomes "--weight is …".
function inOurWords(message: string): string {
  return message.replaceAll(
    /(?:The property )?'?(?:operations\[\d+\]\.)?\b((?:service|destination|changes|timeouts|daemon|options)(?:\.\w+)+(?:\[\d+\])?)'?/g,
    (all, path: string) => {
      const key = path.replace(/\[\d+\]$/, '');
      const as = [key, key.replace('changes', 'service'), key.replace('changes', 'destination')];
      return as.map((each) => PROPERTIES.get(each)).find((each) => each !== undefined) ?? all;
    },
  );
}

/** What is told of a failure; also its shape with `--json`. */
export interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly command?: string;
  readonly service?: unknown;
  readonly destination?: unknown;
}

export function tell(error: unknown): Told {
  if (!(error instanceof Error)) return { code: 'ERR_UNKNOWN', message: String(error) };
  const code = codeOf(error);
  if (error instanceof IpvsError) {
    const { message, command, service, destination } = error;
    const hint = error.hint && HINTS.reduce((text, each) => text.replace(...each), error.hint);
    return {
      code: error.code,
      message: inOurWords(message),
      ...(hint && { hint }),
      command,
      ...(service && { service }),
      ...(destination && { destination }),
    };
  }
  if (error instanceof AbortError) return { code: error.code, message: error.message };
  if (code?.startsWith('ERR_INVALID_ARG') || code === 'ERR_OUT_OF_RANGE') {
    return { code, message: inOurWords(error.message) };
  }
  // Of ours, of the cluster helper, or of Node.js itself, such as a file that can't be read.
  if (code !== undefined) return { code, message: error.message, ...hintOf(error) };
  return { code: 'ERR_UNKNOWN', message: error.stack ?? error.message };
}

function hintOf(error: Error): { hint?: string } {
  const { hint } = error as { hint?: unknown };
  return typeof hint === 'string' ? { hint } : {};
}

/** What is written to standard error. */
export function failureText(error: unknown, style: Style, json = false): string {
  if (json) return `${JSON.stringify({ error: tell(error) })}\n`;
  const { message, hint } = tell(error);
  const first = `${style.red('ipvs:')} ${message}\n`;
  return hint === undefined ? first : `${first}${style.dim('hint:')} ${hint}\n`;
}
