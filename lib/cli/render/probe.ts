// What works here, and what to do about what does not.

import type { Capabilities } from '../../types.js';
import type { Style } from '../terminal.js';
import { wrap } from './table.js';

/** One thing that was looked at. */
export interface Finding {
  /** 'note': it works, and somebody may want to know all the same. */
  readonly level: 'good' | 'note' | 'bad';
  readonly title: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** What doctor looks at beside what probe() says. */
export interface Surroundings {
  readonly kernel: string;
  /** Values under net.ipv4.vs, and net.ipv4.ip_forward; absent where they can't be read. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Whether there are virtual services, and of which kind; absent where that can't be told. */
  readonly table?: {
    readonly services: number;
    readonly persistent: boolean;
    readonly forwarding: readonly string[];
  };
}

const USUAL_SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'];

/** Everything that is worth a line, the worst first. */
export function findings(found: Capabilities, { kernel, sysctls, table }: Surroundings): Finding[] {
  if (!found.usable) {
    const { message = 'IPVS can not be used', hint } = found.problem ?? {};
    return [{ level: 'bad', title: message, ...(hint !== undefined && { advice: hint }) }];
  }
  const all: Finding[] = [
    { level: 'good', title: `IPVS ${found.info?.version ?? ''} in Linux ${kernel}` },
    ...schedulerFindings(found),
    ...featureFindings(found),
    ...sysctlFindings(found, sysctls, table),
  ];
  const order = { bad: 0, note: 1, good: 2 };
  return all.sort((a, b) => order[a.level] - order[b.level]);
}

function schedulerFindings({ schedulers, engines }: Capabilities): Finding[] {
  const missing = USUAL_SCHEDULERS.filter((each) => !schedulers.includes(each));
  const none = engines.length === 0 ? 'no persistence engine' : `engines ${engines.join(' ')}`;
  const all: Finding[] = [{ level: 'good', title: `schedulers ${schedulers.join(' ')}; ${none}` }];
  if (missing.length > 0) {
    all.push({
      level: 'note',
      title: `no scheduler ${missing.join(', ')}`,
      advice: `install the kernel's other modules; "modprobe ip_vs_${missing[0]}" says why it fails`,
    });
  }
  return all;
}

function featureFindings({ ipv6, tunnels, stats64 }: Capabilities): Finding[] {
  const all: Finding[] = [];
  const tell = (has: boolean | undefined, good: string, not: string, advice: string) => {
    if (has === undefined) return;
    all.push(has ? { level: 'good', title: good } : { level: 'note', title: not, advice });
  };
  tell(ipv6, 'IPv6', 'no IPv6', 'the kernel lacks CONFIG_IP_VS_IPV6, or has ipv6.disable=1');
  tell(tunnels, 'GUE and GRE tunnels', 'no GUE and GRE tunnels, only IPIP', 'Linux 5.3 has them');
  tell(stats64, '64-bit counters', 'counters of 32 bits, which wrap', 'Linux 4.1 has wider ones');
  return all;
}

function sysctlFindings(
  { sysctlsWritable }: Capabilities,
  sysctls: Surroundings['sysctls'],
  table: Surroundings['table'],
): Finding[] {
  const all: Finding[] = [];
  if (!sysctlsWritable) {
    all.push({
      level: 'note',
      title: 'sysctls are read-only here',
      advice: 'set them on the host, or give the container a writable /proc/sys (--privileged)',
    });
  }
  if (table?.forwarding.includes('nat') === true && sysctls['ip_forward'] === '0') {
    all.push({
      level: 'note',
      title: 'this host does not forward packets, as answers of servers by nat on other hosts need',
      advice: 'sysctl -w net.ipv4.ip_forward=1',
    });
  }
  if (table?.persistent === true && sysctls['expire_quiescent_template'] === '0') {
    all.push({
      level: 'note',
      title: 'sticky clients come back to a server that is drained by weight 0',
      advice: 'sysctl -w net.ipv4.vs.expire_quiescent_template=1',
    });
  }
  if ((table?.services ?? 0) > 0 && sysctls['expire_nodest_conn'] === '0') {
    all.push({
      level: 'note',
      title: 'connections to a removed server are silently dropped until they time out',
      advice: 'sysctl -w net.ipv4.vs.expire_nodest_conn=1 ends them at once',
    });
  }
  if (sysctls['run_estimation'] === '0') {
    all.push({
      level: 'note',
      title: 'rates are not estimated: counters and rates stand still',
      advice: 'sysctl -w net.ipv4.vs.run_estimation=1',
    });
  }
  return all;
}

export function findingLines(all: readonly Finding[], style: Style, width: number): string[] {
  const marks = style.unicode
    ? { good: style.green('✓'), note: style.yellow('!'), bad: style.red('✗') }
    : { good: style.green('ok'), note: style.yellow('! '), bad: style.red('NO') };
  const indent = ' '.repeat(style.unicode ? 2 : 3);
  return all.flatMap(({ level, title, advice }) => {
    const [first = '', ...more] = wrap(title, width - indent.length);
    return [
      `${marks[level]} ${level === 'bad' ? style.bold(first) : first}`,
      ...more.map((line) => indent + line),
      ...(advice === undefined
        ? []
        : wrap(advice, width - indent.length).map((line) => indent + style.dim(line))),
    ];
  });
}

/** Everything that probe() says, name by name. */
export function probeLines(found: Capabilities, style: Style, width: number): string[] {
  const unknown = 'can not be told';
  const yes = (has: boolean | undefined) => (has === undefined ? unknown : has ? 'yes' : 'no');
  const facts: readonly (readonly [name: string, value: string])[] = [
    ['usable', yes(found.usable)],
    ...(found.problem
      ? [['problem', `${found.problem.message} (${found.problem.code})`] as const]
      : []),
    ...(found.info ? [['version', found.info.version] as const] : []),
    ...(found.info
      ? [['connection table', `${found.info.connectionTableSize} buckets`] as const]
      : []),
    ['schedulers', found.schedulers.join(' ') || 'none'],
    ['engines', found.engines.join(' ') || 'none'],
    ['IPv6', yes(found.ipv6)],
    ['GUE, GRE tunnels', yes(found.tunnels)],
    ['64-bit counters', yes(found.stats64)],
    ['sysctls writable', yes(found.sysctlsWritable)],
    ['sysctls', found.sysctls.join(' ') || 'none'],
  ];
  const column = Math.max(...facts.map(([name]) => name.length)) + 2;
  return facts.flatMap(([name, value]) =>
    wrap(value, width - column).map((line, index) =>
      index === 0
        ? style.bold(name) + ' '.repeat(column - name.length) + line
        : ' '.repeat(column) + line,
    ),
  );
}
