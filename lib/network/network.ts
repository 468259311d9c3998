// The handle on the network configuration of one namespace.

// For programs that are compiled without @types/node, which declares Symbol.asyncDispose too.
/// <reference lib="esnext.disposable" preserve="true" />

import { setTimeout as delay } from 'node:timers/promises';
import { constants } from 'node:os';
import { IPV6 } from '../address.js';
import { AbortError } from '../errors.js';
import { Fault, NativeFailure } from '../native.js';
import type { AddressFamily } from '../types.js';
import type { Handle, Request } from './handle.js';
import { parts } from './lazy.js';
import type { Listener } from './listeners.js';
import { Change, Kind } from './native.js';
import type {
  AddressRecord,
  FouPortRecord,
  LinkRecord,
  ListenerRecord,
  MarkRecord,
  NeighbourRecord,
  Numbers,
  RouteRecord,
  RuleRecord,
} from './native.js';
import type {
  AddressConfig,
  AddressKey,
  Announcement,
  FouPort,
  InterfaceAddress,
  Link,
  LinkChanges,
  LinkConfig,
  MarkRule,
  Neighbour,
  NeighbourConfig,
  NeighbourKey,
  PlaceOptions,
  Route,
  RouteConfig,
  Rule,
  RuleConfig,
} from './types.js';
import type { Parsed, ParsedAnnouncement } from './validate.js';

const { ENODEV } = constants.errno;

// Milliseconds. Hosts answer within a few; a probe that was lost is repeated meanwhile.
const PATIENCE = 500;

/**
 * The interfaces, addresses, routes, rules and neighbours of one network namespace, by rtnetlink.
 *
 * All methods may be called concurrently; they are carried out in the order of the calls. Reading
 * takes no rights, changing takes CAP_NET_ADMIN. An open handle keeps no process alive.
 *
 * What fails rejects with a {@link NetworkError}.
 */
export class Network {
  readonly #handle: Handle;

  private constructor(handle: Handle) {
    this.#handle = handle;
  }

  /**
   * Opens a handle on the process's network namespace, or on the one that is named.
   *
   * Rejects with `ERR_IPVS_PLATFORM` off Linux, `ERR_IPVS_LOAD` where the addon can't be loaded,
   * `ENOENT` for a network namespace that is not there, `EPERM` where it may not be entered.
   */
  static async open(options?: PlaceOptions): Promise<Network> {
    return new Network(await parts().Handle.open(options));
  }

  /** Closes the handle when everything that was asked is done. Repeating it is harmless. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  /** The same as {@link Network.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** All interfaces, sorted by index. */
  async links(): Promise<Link[]> {
    return this.#list('list links', Kind.link, 0, 0, (each) => parts().toLink(each as LinkRecord));
  }

  /** The interface of that name; undefined where there is none. */
  async getLink(name: string): Promise<Link | undefined> {
    const subject = parts().parseLinkName(name);
    const request = { command: 'get link', subject, changes: false };
    return this.#handle.track(request, async () => {
      const found = await this.#handle.try<LinkRecord>((native, rest, done) => {
        native.find(subject, rest, done);
      });
      if (!(found instanceof NativeFailure)) return parts().toLink(found);
      if (found.fault === Fault.refused && found.errno === ENODEV) return undefined;
      throw await this.#handle.explain(found, request);
    });
  }

  /**
   * Adds an interface: a dummy or a tunnel. The kernel loads the module that it takes.
   *
   * Rejects with `EEXIST` where there is one of that name, `EOPNOTSUPP` where the kernel has none of
   * that kind. Source: `rtnl_newlink` (net/core/rtnetlink.c).
   */
  async addLink(config: LinkConfig): Promise<void> {
    return this.#change('add link', Kind.link, Change.add, parts().parseLinkConfig(config));
  }

  /** Changes an interface; what is left out stays. Rejects with `ENODEV` where there is none. */
  async setLink(name: string, changes: LinkChanges): Promise<void> {
    return this.#change('set link', Kind.link, Change.set, parts().parseLinkChanges(name, changes));
  }

  /** Removes an interface, with its addresses and routes. Rejects with `ENODEV`. */
  async removeLink(name: string): Promise<void> {
    const parsed = parts().parseLinkChanges(name, {});
    return this.#change('remove link', Kind.link, Change.remove, parsed);
  }

  /** The addresses, by interface and in the kernel's order: the primary ones first. */
  async addresses(filter?: {
    readonly interface?: string;
    readonly family?: AddressFamily;
  }): Promise<InterfaceAddress[]> {
    const { family, interface: name } = parts().parseFilter(filter, ['interface', 'family']);
    const all = await this.#list('list addresses', Kind.address, family, 0, (each) =>
      parts().toInterfaceAddress(each as AddressRecord),
    );
    return all.filter((each) => name === undefined || each.interface === name);
  }

  /** Rejects with `EEXIST` where the interface has it, `ENODEV` where there is no such interface. */
  async addAddress(address: AddressConfig): Promise<void> {
    return this.#change(
      'add address',
      Kind.address,
      Change.add,
      parts().parseAddressConfig(address),
    );
  }

  /** Rejects with `EADDRNOTAVAIL` where the interface does not have it, with this prefix. */
  async removeAddress(address: AddressKey): Promise<void> {
    return this.#change(
      'remove address',
      Kind.address,
      Change.remove,
      parts().parseAddressKey(address),
    );
  }

  /**
   * The routes of all tables, or of one, sorted by family, table and destination. Not those that the
   * kernel noted while it used them (RTM_F_CLONED).
   */
  async routes(filter?: {
    readonly family?: AddressFamily;
    readonly table?: number;
  }): Promise<Route[]> {
    const { family, table } = parts().parseFilter(filter, ['family', 'table']);
    return this.#list('list routes', Kind.route, family, table, (each) =>
      parts().toRoute(each as RouteRecord),
    );
  }

  /** Rejects with `EEXIST` where there is one to that destination with that metric and table. */
  async addRoute(route: RouteConfig): Promise<void> {
    return this.#change('add route', Kind.route, Change.add, parts().parseRoute(route));
  }

  /** Adds a route, or puts it in the place of the one with that destination, metric and table. */
  async replaceRoute(route: RouteConfig): Promise<void> {
    return this.#change('replace route', Kind.route, Change.replace, parts().parseRoute(route));
  }

  /** Removes the first route that is as described. Rejects with `ESRCH` where there is none. */
  async removeRoute(route: RouteConfig): Promise<void> {
    return this.#change('remove route', Kind.route, Change.remove, parts().parseRoute(route, true));
  }

  /** The routing rules in the order in which they are looked at, IPv4 first. */
  async rules(filter?: { readonly family?: AddressFamily }): Promise<Rule[]> {
    const { family } = parts().parseFilter(filter, ['family']);
    return this.#list('list rules', Kind.rule, family, 0, (each) =>
      parts().toRule(each as RuleRecord),
    );
  }

  /**
   * Rejects with `EEXIST` where there is the same one. Without a priority the kernel puts it in front
   * of all others but the first, and takes it for another one than the same with its own.
   */
  async addRule(rule: RuleConfig): Promise<void> {
    return this.#change('add rule', Kind.rule, Change.add, parts().parseRule(rule));
  }

  /** Removes the first rule that is as described. Rejects with `ENOENT` where there is none. */
  async removeRule(rule: RuleConfig): Promise<void> {
    return this.#change('remove rule', Kind.rule, Change.remove, parts().parseRule(rule));
  }

  /** Who on the links has which address, and what this host answers for; by interface. */
  async neighbours(filter?: {
    readonly interface?: string;
    readonly family?: AddressFamily;
  }): Promise<Neighbour[]> {
    const { family, interface: name } = parts().parseFilter(filter, ['interface', 'family']);
    const all = await this.#list('list neighbours', Kind.neighbour, family, 0, (each) =>
      parts().toNeighbour(each as NeighbourRecord),
    );
    return all.filter((each) => name === undefined || each.interface === name);
  }

  /** Rejects with `EEXIST` where there is one. A proxy entry is added or replaced. */
  async addNeighbour(neighbour: NeighbourConfig): Promise<void> {
    return this.#change(
      'add neighbour',
      Kind.neighbour,
      Change.add,
      parts().parseNeighbour(neighbour),
    );
  }

  /** Adds a neighbour, or puts it in the place of the one with that address. */
  async replaceNeighbour(neighbour: NeighbourConfig): Promise<void> {
    const parsed = parts().parseNeighbour(neighbour);
    return this.#change('replace neighbour', Kind.neighbour, Change.replace, parsed);
  }

  /** Rejects with `ENOENT` where there is none. */
  async removeNeighbour(neighbour: NeighbourKey): Promise<void> {
    const parsed = parts().parseNeighbour(neighbour, true);
    return this.#change('remove neighbour', Kind.neighbour, Change.remove, parsed);
  }

  /** The ports of FOU and GUE; none where the kernel has no such thing. */
  async fouPorts(): Promise<FouPort[]> {
    return this.#list('list FOU ports', Kind.fouPort, 0, 0, (each) =>
      parts().toFouPort(each as FouPortRecord),
    );
  }

  /**
   * Has the kernel unwrap the tunnelled packets that arrive at a UDP port. The module `fou` has to be
   * there; a process with CAP_SYS_MODULE has the kernel load it.
   *
   * Rejects with `EADDRINUSE` where the port is taken, also by the same, `ERR_IPVS_UNAVAILABLE` where
   * the module is not there. Source: net/ipv4/fou_core.c.
   */
  async addFouPort(port: FouPort): Promise<void> {
    return this.#change('add FOU port', Kind.fouPort, Change.add, parts().parseFouPort(port));
  }

  /** Rejects with `ENOENT` where there is none. */
  async removeFouPort(port: FouPort): Promise<void> {
    return this.#change('remove FOU port', Kind.fouPort, Change.remove, parts().parseFouPort(port));
  }

  /**
   * Whether packets of that family can be marked here: the kernel has nf_tables for it (most have),
   * and this process may (it takes CAP_NET_ADMIN). Tried out, and nothing is changed.
   */
  async canMark(family: AddressFamily): Promise<boolean> {
    const number = parts().parseFamily(family, 'family');
    const request = { command: 'try out marks', subject: '', changes: false };
    return this.#handle.request<boolean>(request, (native, rest, done) => {
      native.canMark(number, rest, done);
    });
  }

  /**
   * What gets a firewall mark, as far as {@link Network.addMark} has added it, or a cluster's
   * `plan.toShell()`: rules that somebody else made are not told. Ports of one address, protocol and
   * mark are one rule. Takes CAP_NET_ADMIN.
   *
   * Rejects with `ERR_IPVS_UNAVAILABLE` where the kernel has no nf_tables.
   */
  async marks(): Promise<MarkRule[]> {
    const records = await this.#list('list marks', Kind.markRule, 0, 0, (each) => each);
    return parts().toMarkRules(records as readonly MarkRecord[]);
  }

  /**
   * Marks packets before the routing decision, by nf_tables: a rule for each port or range, in a
   * chain of the table `ipvs_marks` that comes with the first of them (`nft list table ip ipvs_marks`).
   * All ports or none. The comment at a rule is what it is known by.
   *
   * Rejects with `EEXIST` where one of the ports has that rule, `ERR_IPVS_UNAVAILABLE` where the kernel
   * has no nf_tables, `EMSGSIZE` where a process without CAP_NET_ADMIN in the initial user namespace
   * names more ports than a message may hold, about a thousand.
   */
  async addMark(rule: MarkRule): Promise<void> {
    return this.#change('add mark', Kind.markRule, Change.add, parts().parseMarkRule(rule));
  }

  /**
   * Removes it, and the chain and the table with their last rule, unless somebody else has put
   * something there. All ports or none. Rejects with `ENOENT` where one of them is not there.
   */
  async removeMark(rule: MarkRule): Promise<void> {
    return this.#change('remove mark', Kind.markRule, Change.remove, parts().parseMarkRule(rule));
  }

  /**
   * Tells everybody on the interface's link that the addresses are at this host now: gratuitous ARP
   * (RFC 5227, section 3) for IPv4, unsolicited neighbour advertisements (RFC 4861, section 7.2.6)
   * for IPv6. Resolves when all are sent; close() waits for that.
   *
   * Rejects with `EOPNOTSUPP` on an interface without ARP or MAC, `ENETDOWN` on one that is down,
   * and with an AbortError where the signal is aborted. Takes CAP_NET_RAW.
   */
  async announce(announcement: Announcement): Promise<void> {
    const parsed = parts().parseAnnouncement(announcement);
    const request = { command: 'announce', subject: parsed.subject, changes: false };
    return this.#handle.track(request, () => this.#announce(parsed, request));
  }

  async #announce(parsed: ParsedAnnouncement, request: Request): Promise<void> {
    const { addresses, count, interval, repeatAfter, signal } = parsed;
    const pause = async (milliseconds: number, sent: boolean): Promise<void> => {
      try {
        if (milliseconds > 0) await delay(milliseconds, undefined, signal && { signal });
        else signal?.throwIfAborted();
      } catch {
        const command = `${request.command} ${request.subject}`;
        throw new AbortError({ command }, sent, signal?.reason);
      }
    };
    await pause(0, false);
    if (addresses.length === 0) return;
    const router =
      addresses.some(({ family }) => family === IPV6) && (await this.#forwards(parsed));
    const rounds = repeatAfter > 0 ? 2 : 1;
    for (let round = 0; round < rounds; round++) {
      if (round > 0) await pause(repeatAfter, true);
      for (let left = count; left > 0;) {
        const times = interval === 0 ? left : 1;
        await this.#handle.send(request, (native, rest, done) => {
          native.announce(parsed.interface, addresses, times, router, rest, done);
        });
        left -= times;
        if (left > 0) await pause(interval, true);
      }
    }
  }

  // A neighbour advertisement says whether its sender is a router.
  async #forwards({ interface: name }: ParsedAnnouncement): Promise<boolean> {
    const text = await this.#handle.try<string>((native, _rest, done) => {
      native.readFile(`/proc/sys/net/ipv6/conf/${name}/forwarding`, done);
    });
    return typeof text === 'string' && text.trim() !== '0';
  }

  /**
   * @internal Which other hosts of the interface's link say that they have one of the addresses: asked
   * by ARP (RFC 5227) and neighbour solicitation, which changes what nobody knows. Takes half a second.
   * Rejects as {@link Network.announce} does.
   */
  async claimants(interfaceName: string, addresses: readonly string[]): Promise<Neighbour[]> {
    const parsed = parts().parseAnnouncement({ interface: interfaceName, addresses });
    const request = { command: 'probe', subject: parsed.subject, changes: false };
    const records = await this.#handle.request<readonly NeighbourRecord[]>(
      request,
      (native, rest, done) => {
        const patience = Math.min(PATIENCE, rest / 2);
        native.probe(parsed.interface, parsed.addresses, patience, rest, done);
      },
    );
    return records.map((each) => parts().toNeighbour(each));
  }

  /** @internal The sockets of TCP and UDP that wait for clients. */
  async listeners(): Promise<Listener[]> {
    const request = { command: 'list listeners', subject: '', changes: false };
    return this.#handle.track(request, async () => {
      const records = await this.#handle.try<readonly unknown[]>((native, rest, done) => {
        native.list(Kind.listener, 0, 0, rest, done);
      });
      if (!(records instanceof NativeFailure)) {
        return records.map((each) => parts().toListener(each as ListenerRecord));
      }
      // Not every kernel has sock_diag, and not every container lets it through.
      const { LISTENER_FILES: files, parseListeners } = parts();
      const texts = await Promise.all(files.map((file) => this.#readProc(`net/${file}`)));
      return files.flatMap((file, index) => parseListeners(file, texts[index] ?? ''));
    });
  }

  // As this namespace has it; undefined where it can't be read.
  async #readProc(name: string): Promise<string | undefined> {
    const text = await this.#handle.try<string>((native, _rest, done) => {
      native.readFile(`/proc/thread-self/${name}`, done);
    });
    return typeof text === 'string' ? text : undefined;
  }

  /** @internal Another text for each network namespace that there is or was since the boot. */
  async identity(): Promise<string> {
    const request = { command: 'identify the network namespace', subject: '', changes: false };
    return this.#handle.request<string>(request, (native, _rest, done) => {
      native.identify((failure, cookie, name) => {
        // Before Linux 5.14 there is only a number that may be given again: "net:[4026531833]".
        done(failure, cookie === 0n ? name.replace(/\D+/g, '') : `c${cookie}`);
      });
    });
  }

  async #list<Item>(
    command: string,
    kind: Kind,
    family: number,
    table: number,
    convert: (record: unknown) => Item,
  ): Promise<Item[]> {
    const request = { command, subject: '', changes: false };
    const records = await this.#handle.request<readonly unknown[]>(
      request,
      (native, rest, done) => {
        native.list(kind, family, table, rest, done);
      },
    );
    return records.map(convert);
  }

  #change(
    command: string,
    kind: Kind,
    change: Change,
    { numbers, subject }: Parsed<Numbers>,
  ): Promise<void> {
    const request = { command, subject, changes: true };
    return this.#handle.request<undefined>(request, (native, rest, done) => {
      native.apply(kind, change, numbers, rest, done);
    });
  }
}
