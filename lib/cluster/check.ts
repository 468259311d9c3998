// What is wrong with a node, from what was seen of it. Nothing here looks at the node itself.

import { complaintAbout } from './complaints.js';
import { vipInterface } from './director.js';
import { isServed } from './listeners.js';
import type { Listener } from '../network/listeners.js';
import { realAddress, servicesOf } from './model.js';
import type { Model, ModelNode, ModelService } from './model.js';
import { hostPrefix } from './networks.js';
import { changesFor, isFine, makeChange, makePlan } from './plan.js';
import type { Change } from './plan.js';
import { announcesOwn, answersNotForOthers } from './real-server.js';
import {
  fits,
  interfaceOfSetting,
  isOfIpvs,
  isPartOf,
  isRecord,
  keyOf,
  recordOf,
  settingOf,
  textOf,
} from './resources.js';
import type { Resource } from './resources.js';
import type { Value } from './types.js';
import { gatewaysOf, numberAt, sysctl } from './wanted.js';
import type { Look, Wanted } from './wanted.js';

/** What was found: docs/cluster.md has each with what to do. */
export type FindingCode =
  | 'address-missing'
  | 'arp-announce'
  | 'arp-ignore'
  | 'conntrack'
  | 'default-gateway'
  | 'destination-differs'
  | 'destination-missing'
  | 'expire-nodest-conn'
  | 'ip-forward'
  | 'ipvs-unavailable'
  | 'link-down'
  | 'mark-missing'
  | 'mark-route'
  | 'mss'
  | 'mtu'
  | 'no-listener'
  | 'proc-sys-read-only'
  | 'proxy-missing'
  | 'rights'
  | 'route-missing'
  | 'rp-filter'
  | 'send-redirects'
  | 'service-differs'
  | 'service-missing'
  | 'sync-daemon'
  | 'sysctl'
  | 'tunnel-differs'
  | 'tunnel-down'
  | 'tunnel-missing'
  | 'tunnel-port'
  | 'two-directors'
  | 'vip-advertised'
  | 'vip-missing'
  | 'vip-scope';

/** `error`: traffic stops or goes wrong; `warning`: it may; `info`: it is otherwise than described. */
export type Severity = 'error' | 'warning' | 'info';

/** Something that was found, without the means to mend it. */
export interface Fault {
  readonly severity: Severity;
  readonly code: FindingCode;
  /** What it is about: a setting, an address, a service. */
  readonly subject: string;
  /** What is wrong and what comes of it, in sentences. */
  readonly explanation: string;
  /** What mends it, where this library can. */
  readonly changes: readonly Change[];
}

/** What was seen of a node besides the settings that are wanted. */
export interface Survey {
  readonly addresses: readonly {
    readonly interface: string;
    readonly address: string;
    readonly prefix: number;
    readonly scope: string | number;
  }[];
  readonly listeners: readonly Listener[];
  /** Who else answers for the addresses that are asked about, where that could be found out. */
  readonly claimants: readonly {
    readonly interface: string;
    readonly address: string;
    readonly linkAddress: string;
  }[];
  /** Why IPVS can't be used. */
  readonly ipvs?: { readonly code: string; readonly sentence: string; readonly hint?: string };
  /** Why this process may not change anything. */
  readonly rights?: { readonly sentence: string; readonly hint: string };
  /** The interface of IPv4's default route. */
  readonly way?: string;
  /** A setting that can't be written because /proc/sys is read-only. */
  readonly readOnly?: string;
}

/** The settings that a check looks at besides those that are wanted. */
export function settingsToCheck(
  model: Model,
  node: ModelNode,
  wanted: readonly Wanted[],
): Resource[] {
  const { inside, outside } = node;
  const names = new Set(['all', inside.interface, outside.interface]);
  for (const { resource } of wanted) {
    const own = resource.kind === 'sysctl' ? interfaceOfSetting(resource.name) : undefined;
    if (own !== undefined) names.add(own);
    if (resource.kind === 'address') names.add(resource.interface);
  }
  const settings = ['arp_ignore', 'arp_announce', 'rp_filter'].flatMap((setting) =>
    [...names].map((name) => sysctl(settingOf('ipv4', name, setting))),
  );
  const tunnelled = model.services.some(({ mode }) => mode === 'tun');
  return [...settings, ...(tunnelled ? [sysctl('net.ipv4.vs.pmtu_disc')] : [])];
}

/** All faults, the worst first. */
export function findFaults(
  model: Model,
  node: ModelNode,
  wanted: readonly Wanted[],
  look: Look,
  survey: Survey,
): Fault[] {
  const check = new Check(model, node, wanted, look, survey);
  return check.run();
}

const RANK: readonly Severity[] = ['error', 'warning', 'info'];

class Check {
  readonly #model: Model;
  readonly #node: ModelNode;
  readonly #wanted: readonly Wanted[];
  readonly #look: Look;
  readonly #survey: Survey;
  readonly #faults = new Map<string, Fault>();

  constructor(
    model: Model,
    node: ModelNode,
    wanted: readonly Wanted[],
    look: Look,
    survey: Survey,
  ) {
    this.#model = model;
    this.#node = node;
    this.#wanted = wanted;
    this.#look = look;
    this.#survey = survey;
  }

  run(): Fault[] {
    this.#checkMeans();
    const special = new Set([...this.#checkArp(), ...this.#checkWayBack()].map(keyOf));
    for (const each of this.#wanted) {
      if (!special.has(keyOf(each.resource))) this.#checkWanted(each);
    }
    this.#checkStrayVips();
    this.#checkClaimants();
    this.#checkListeners();
    this.#checkPathMtu();
    const faults = [...this.#faults.values()];
    return faults.sort((a, b) => RANK.indexOf(a.severity) - RANK.indexOf(b.severity));
  }

  /** Several settings may be one fault. */
  #add(
    severity: Severity,
    code: FindingCode,
    subject: string,
    explanation: string,
    changes: readonly Change[] = [],
  ): void {
    const key = `${code} ${subject}`;
    const known = this.#faults.get(key);
    this.#faults.set(
      key,
      known === undefined
        ? { severity, code, subject, explanation, changes }
        : { ...known, changes: [...known.changes, ...changes] },
    );
  }

  // ---- whether anything can be done here at all

  #checkMeans(): void {
    const { rights, ipvs, readOnly } = this.#survey;
    if (rights !== undefined) {
      this.#add('error', 'rights', 'this process', `${rights.sentence}; ${rights.hint}.`);
    } else if (ipvs !== undefined && this.#node.roles.has('director')) {
      const code = ipvs.code === 'EPERM' ? 'rights' : 'ipvs-unavailable';
      const hint = ipvs.hint === undefined ? '' : `; ${ipvs.hint}`;
      this.#add('error', code, 'IPVS', `${ipvs.sentence}${hint}.`);
    }
    if (readOnly !== undefined) {
      const pending = this.#wanted.some(
        (each) =>
          each.resource.kind === 'sysctl' &&
          !isFine(each, this.#look(each.resource), this.#look) &&
          each.optional !== true,
      );
      this.#add(
        pending ? 'error' : 'warning',
        'proc-sys-read-only',
        '/proc/sys',
        `/proc/sys is read-only, so that ${readOnly} and its like can't be set from here; start the ` +
          `container with --sysctl ${readOnly}=…, or with --privileged.`,
      );
    }
  }

  // ---- what the description asks for

  #checkWanted(wanted: Wanted): void {
    const { resource } = wanted;
    const present = this.#look(resource);
    if (this.#isAsItMayBe(wanted, present)) return;
    // What is gone with it comes back after it.
    const parts = this.#wanted.filter((each) => isPartOf(each.resource, resource));
    const { changes } = makePlan('', [wanted, ...parts], this.#look, new Map());
    if (resource.kind === 'address') this.#checkAddress(wanted, present, changes);
    if (resource.kind === 'route') this.#checkRoute(wanted, present, changes);
    const complaint = complaintAbout(wanted, present, (name) => this.#isTunnel(name));
    if (complaint === undefined) return;
    const [severity, code, subject, what] = complaint;
    this.#add(severity, code, subject, `${what} ${sentence(wanted.reason)}`, changes);
  }

  /** Whether there is nothing to say of it, or nothing that is not said elsewhere. */
  #isAsItMayBe(wanted: Wanted, present: Value): boolean {
    const { resource } = wanted;
    if (wanted.manual === true || isFine(wanted, present, this.#look)) return true;
    if (wanted.optional === true && present === null) return true;
    const { ipvs, rights } = this.#survey;
    if (isOfIpvs(resource) && (ipvs !== undefined || rights !== undefined)) return true;
    return this.#isPartOfMissing(resource);
  }

  /** Whether the whole is missing, so that there is no more to say. */
  #isPartOfMissing(part: Resource): boolean {
    return this.#wanted.some(
      ({ resource }) => isPartOf(part, resource) && this.#look(resource) === null,
    );
  }

  #checkAddress(wanted: Wanted, present: Value, changes: readonly Change[]): void {
    const { resource, reason } = wanted;
    if (resource.kind !== 'address') return;
    const { address } = resource;
    const isVip = this.#model.vips.some((each) => each.address === address);
    if (!isVip) {
      const name = `${address} on ${resource.interface}`;
      this.#add(
        'error',
        'address-missing',
        name,
        `The address ${name} is missing. ${sentence(reason)}`,
        changes,
      );
      return;
    }
    if (present !== null) {
      const { prefix, scope } = recordOf(present);
      const wrong =
        prefix !== hostPrefix(address.includes(':') ? 'ipv6' : 'ipv4') &&
        resource.interface === 'lo';
      this.#add(
        wrong ? 'error' : 'warning',
        'vip-scope',
        address,
        `The virtual address ${address} on ${resource.interface} has the prefix length ` +
          `${textOf(prefix ?? null)} and the scope ${textOf(scope ?? null)}. ` +
          (wrong ? 'On the loopback the whole network is taken for local then.' : sentence(reason)),
        changes,
      );
      return;
    }
    if (this.#isElsewhere(resource)) return;
    this.#add(
      'error',
      'vip-missing',
      address,
      `The virtual address ${address} is missing. ${sentence(reason)}`,
      changes,
    );
  }

  /** Whether the virtual address is at another place where it serves as well. */
  #isElsewhere({ address, interface: place }: Resource & { kind: 'address' }): boolean {
    const { inside } = this.#node;
    const others = this.#survey.addresses.filter(
      (each) => each.address === address && each.interface !== place,
    );
    const isDirectors = place !== 'lo' && !this.#isTunnel(place);
    if (isDirectors) {
      // Linux answers for it on every interface, unless it is told not to.
      return others.length > 0 && this.#effective('arp_ignore', place) === 0;
    }
    return others.some(
      (each) =>
        each.interface !== inside.interface && (each.interface !== 'lo' || each.prefix >= 32),
    );
  }

  #isTunnel(name: string): boolean {
    return this.#wanted.some(({ resource }) => resource.kind === 'link' && resource.name === name);
  }

  #checkRoute(wanted: Wanted, present: Value, changes: readonly Change[]): void {
    const { resource, value, reason } = wanted;
    if (resource.kind !== 'route') return;
    const { destination, table } = resource;
    if (table !== 254) {
      this.#add(
        'error',
        'mark-route',
        `table ${table}`,
        `The local route in table ${table} is missing. ${sentence(reason)}`,
        changes,
      );
      return;
    }
    if (destination !== 'default') {
      this.#add(
        'error',
        'route-missing',
        destination,
        `The route to ${destination} is missing. ${sentence(reason)}`,
        changes,
      );
      return;
    }
    const { gateway } = recordOf(value);
    if (gateway === undefined || fits({ gateway }, present)) {
      const { advertisedMss = null } = recordOf(present);
      const is = advertisedMss === null ? 'the default one' : textOf(advertisedMss);
      this.#add(
        'warning',
        'mss',
        `${resource.family} default route`,
        `Clients are told that they may send segments of ${is}, ${textOf(recordOf(value)['advertisedMss'] ?? null)} ` +
          `fit into the tunnel. ${sentence(reason)}`,
        changes,
      );
      return;
    }
    // With another metric it is another one.
    const taken = [present, ...(wanted.looksAt ?? []).map(this.#look)].find(isRecord);
    const is =
      taken === undefined
        ? 'There is no default route'
        : `The default gateway is ${gatewaysOf(taken).map(textOf).join(' and ')}`;
    this.#add(
      'error',
      'default-gateway',
      `${resource.family} default route`,
      `${is}, it has to be ${textOf(gateway)}. ${sentence(reason)}`,
      changes,
    );
  }

  // ---- ARP: what counts is the larger of two settings

  #effective(setting: string, name: string): number {
    const [all, own] = ['all', name].map((each) =>
      numberAt(this.#look, settingOf('ipv4', each, setting)),
    );
    return Math.max(all ?? 0, own ?? 0);
  }

  #checkArp(): Resource[] {
    const quiet = this.#wanted.filter(
      ({ resource }) =>
        resource.kind === 'sysctl' && /\.arp_(ignore|announce)$/.test(resource.name),
    );
    if (quiet.length === 0) return [];
    const { interface: name } = this.#node.inside;
    const rules = [
      [
        'arp_ignore',
        answersNotForOthers,
        '1',
        'answers ARP for the virtual address: clients may reach it past the director, always the same one',
      ],
      [
        'arp_announce',
        announcesOwn,
        '2',
        'asks with the virtual address as its own, and the router then takes it for the director',
      ],
    ] as const;
    for (const [setting, isFineValue, value, effect] of rules) {
      const effective = this.#effective(setting, name);
      if (isFineValue(effective)) continue;
      const all = numberAt(this.#look, settingOf('ipv4', 'all', setting));
      const own = numberAt(this.#look, settingOf('ipv4', name, setting));
      // Where the larger one is too large, that one has to change.
      const wrong = [['all', all] as const, [name, own] as const].filter(
        ([, each]) => each > Number(value) && !isFineValue(each),
      );
      const targets =
        wrong.length > 0 ? wrong.map(([each]) => each) : [this.#model.arp === 'all' ? 'all' : name];
      this.#add(
        'error',
        setting === 'arp_ignore' ? 'arp-ignore' : 'arp-announce',
        name,
        `${setting} is ${effective} on ${name} (the larger of all: ${all} and ${name}: ${own}), so that this real server ${effect}.`,
        targets.map((each) => {
          const resource = sysctl(settingOf('ipv4', each, setting));
          return makeChange(
            resource,
            this.#look(resource),
            value,
            'only the director may answer for the virtual address',
          );
        }),
      );
    }
    return quiet.map(({ resource }) => resource);
  }

  // ---- rp_filter: the way back has to be the way in

  #checkWayBack(): Resource[] {
    if (!this.#node.roles.has('real-server')) return [];
    const special: Resource[] = [];
    for (const { resource } of this.#wanted) {
      if (resource.kind !== 'sysctl' || !resource.name.endsWith('rp_filter')) continue;
      const name = interfaceOfSetting(resource.name);
      if (name === undefined) continue;
      special.push(resource);
      if (!this.#isPartOfMissing(resource)) this.#checkTunnelFilter(resource, name);
    }
    this.#checkDirectFilter();
    return special;
  }

  #checkTunnelFilter(resource: Resource, name: string): void {
    const effective = this.#effective('rp_filter', name);
    const addressed = this.#survey.addresses.some(
      (each) => each.interface === name && !each.address.includes(':'),
    );
    if (effective === 0 || (effective === 2 && addressed)) return;
    const missing = this.#wanted.filter(
      (each) =>
        each.resource.kind === 'address' &&
        each.resource.interface === name &&
        !isFine(each, this.#look(each.resource), this.#look),
    );
    // Without the virtual address nothing comes out anyway.
    const gone = missing.some(
      ({ resource: vip }) => vip.kind === 'address' && !this.#isElsewhere(vip),
    );
    if (effective === 2 && gone) return;
    this.#add(
      'error',
      'rp-filter',
      name,
      `rp_filter is ${effective} on ${name} (the larger of all and ${name}), which drops what comes ` +
        `out of the tunnel: it has to be 2, with an IPv4 address on ${name}, or 0.`,
      [
        ...missing.flatMap((each) => changesFor(each, this.#look(each.resource))),
        ...(this.#look(resource) === '2' ? [] : [this.#loosen(resource)]),
      ],
    );
  }

  #checkDirectFilter(): void {
    const { interface: name } = this.#node.inside;
    const direct = servicesOf(this.#model, this.#node).some(
      ({ mode, family }) => mode === 'dr' && family === 'ipv4',
    );
    const { way: out } = this.#survey;
    if (!direct || out === undefined || out === name) return;
    if (this.#effective('rp_filter', name) !== 1) return;
    this.#add(
      'error',
      'rp-filter',
      name,
      `rp_filter is 1 on ${name}, and answers leave by ${out}: requests are dropped, because ` +
        'their way back is not the way that they came.',
      [this.#loosen(sysctl(settingOf('ipv4', name, 'rp_filter')))],
    );
  }

  #loosen(resource: Resource): Change {
    const reason = 'the answer leaves by another interface';
    return makeChange(resource, this.#look(resource), '2', reason);
  }

  // ---- virtual addresses where they must not be

  #checkStrayVips(): void {
    const { roles, state, inside, outside } = this.#node;
    const holds = roles.has('director') && state === 'master';
    if (holds) return;
    const lans = new Set([inside.interface, outside.interface]);
    for (const vip of this.#model.vips) {
      if (roles.has('director')) lans.add(vipInterface(this.#node, vip));
      for (const { interface: place, address, prefix, scope } of this.#survey.addresses) {
        if (address !== vip.address || !lans.has(place)) continue;
        const resource: Resource = { kind: 'address', interface: place, address };
        const present: Value = { prefix, scope };
        const changes = [makeChange(resource, present, null, 'only one node may answer for it')];
        const more = `${address} is on ${place}, where this node answers ARP (or neighbour discovery) for it`;
        if (roles.has('director')) {
          this.#add(
            'error',
            'two-directors',
            address,
            `This director is the backup, yet ${more}: two directors do.`,
            changes,
          );
        } else {
          this.#add(
            'error',
            'vip-advertised',
            address,
            `${more}: clients may reach it past the director.`,
            changes,
          );
        }
      }
    }
  }

  /** Others that answer for what this director has, as its neighbours hear it. */
  #checkClaimants(): void {
    for (const { interface: place, address, linkAddress } of this.#survey.claimants) {
      this.#add(
        'error',
        'two-directors',
        address,
        `${linkAddress} answers for ${address} on ${place} too: another director has it, or a real server ` +
          'answers ARP for it. Each client reaches the one whose answer it heard last.',
      );
    }
  }

  // ---- the programs that serve

  #checkListeners(): void {
    for (const service of servicesOf(this.#model, this.#node)) {
      const { protocols, realPort, config } = service;
      if (protocols.includes('sctp')) continue; // it is not told who listens
      const name = protocols.join(' or ');
      const ports = config.fwmark === undefined ? [realPort] : service.ports.map(Number);
      for (const port of ports) {
        if (!(port > 0)) continue; // every port, or a range: any may do without
        for (const address of this.#servedAddresses(service)) {
          const { listeners } = this.#survey;
          if (protocols.some((each) => isServed(listeners, each, address, port))) continue;
          this.#add(
            'warning',
            'no-listener',
            `${name} ${address} port ${port}`,
            `Nothing listens at ${name} ${address} port ${port}: clients that are sent here are refused. ` +
              'A server that is bound to the address of the machine alone does not get packets for the virtual one.',
          );
        }
      }
    }
  }

  #servedAddresses(service: ModelService): readonly string[] {
    if (service.mode !== 'nat') return service.vips;
    const own = realAddress(service, this.#node);
    return own === undefined ? [] : [own];
  }

  // ---- large packets

  #checkPathMtu(): void {
    if (!this.#node.roles.has('director')) return;
    const six = this.#model.services.some(
      ({ mode, family }) => mode === 'tun' && family === 'ipv6',
    );
    const resource = sysctl('net.ipv4.vs.pmtu_disc');
    if (!six || this.#look(resource) !== '0') return;
    this.#add(
      'warning',
      'mtu',
      resource.name,
      'net.ipv4.vs.pmtu_disc is 0: clients are not told what fits into the tunnel, and IPv6 never fragments on the way.',
      [makeChange(resource, '0', '1', 'clients have to learn what fits into the tunnel')],
    );
  }
}

function sentence(reason: string): string {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}
