// The options of ipvsadm, and how its arguments are taken apart: as the library popt does it.

/** What ipvsadm calls its options in messages, apart from commands. */
export type OptionName =
  | 'numeric'
  | 'connection'
  | 'service-address'
  | 'scheduler'
  | 'persistent'
  | 'netmask'
  | 'real-server'
  | 'forwarding-method'
  | 'weight'
  | 'u-threshold'
  | 'l-threshold'
  | 'mcast-interface'
  | 'timeout'
  | 'daemon'
  | 'stats'
  | 'rate'
  | 'thresholds'
  | 'persistent-conn'
  | 'nosort'
  | 'syncid'
  | 'exact'
  | 'ops'
  | 'pe'
  | 'sched-flags'
  | 'mcast-group'
  | 'mcast-port'
  | 'mcast-ttl'
  | 'sync-maxlen'
  | 'tun-info'
  | 'tun-type'
  | 'tun-port'
  | 'tun-nocsum'
  | 'tun-csum'
  | 'tun-remcsum';

export type Argument = 'none' | 'required' | 'optional';

/** An option as it may be written: `--long`, or `-s` where there is a short form. */
export interface Option {
  readonly long: string;
  readonly short: string;
  readonly argument: Argument;
}

const option = (long: string, short = '', argument: Argument = 'none'): Option => ({
  long,
  short,
  argument,
});

// `list` is there twice: -l and -L are the same.
const OPTIONS: readonly Option[] = [
  option('add-service', 'A'),
  option('edit-service', 'E'),
  option('delete-service', 'D'),
  option('clear', 'C'),
  option('list', 'L'),
  option('list', 'l'),
  option('zero', 'Z'),
  option('add-server', 'a'),
  option('edit-server', 'e'),
  option('delete-server', 'd'),
  option('set'),
  option('help', 'h'),
  option('version', 'v'),
  option('restore', 'R'),
  option('save', 'S'),
  option('start-daemon', '', 'required'),
  option('stop-daemon', '', 'required'),
  option('tcp-service', 't', 'required'),
  option('udp-service', 'u', 'required'),
  option('sctp-service', '', 'required'),
  option('fwmark-service', 'f', 'required'),
  option('scheduler', 's', 'required'),
  option('persistent', 'p', 'optional'),
  option('netmask', 'M', 'required'),
  option('real-server', 'r', 'required'),
  option('masquerading', 'm'),
  option('ipip', 'i'),
  option('gatewaying', 'g'),
  option('weight', 'w', 'required'),
  option('u-threshold', 'x', 'required'),
  option('l-threshold', 'y', 'required'),
  option('numeric', 'n'),
  option('connection', 'c'),
  option('mcast-interface', '', 'required'),
  option('syncid', '', 'required'),
  option('timeout'),
  option('daemon'),
  option('stats'),
  option('rate'),
  option('thresholds'),
  option('persistent-conn'),
  option('nosort'),
  option('sort'),
  option('exact', 'X'),
  option('ipv6', '6'),
  option('ops', 'o'),
  option('pe', '', 'required'),
  option('sched-flags', 'b', 'required'),
  option('mcast-group', '', 'required'),
  option('mcast-port', '', 'required'),
  option('mcast-ttl', '', 'required'),
  option('sync-maxlen', '', 'required'),
  option('tun-info'),
  option('tun-type', '', 'required'),
  option('tun-port', '', 'required'),
  option('tun-nocsum'),
  option('tun-csum'),
  option('tun-remcsum'),
];

const BY_LONG = new Map([...OPTIONS].reverse().map((each) => [each.long, each]));
const BY_SHORT = new Map(
  OPTIONS.filter(({ short }) => short !== '').map((each) => [each.short, each]),
);

/** What popt says of arguments that it can't read. */
export type Complaint = 'unknown option' | 'missing argument' | 'option does not take an argument';

export type Read =
  | { readonly option: Option; readonly value: string | undefined }
  | { readonly complaint: Complaint };

/**
 * Reads options one by one. Short ones may be bundled (`-Ln`), an argument may follow behind `=`, at
 * once (`-p300`) or as the next word; long ones are written in full. What is no option is kept for
 * later, as is everything behind `--`.
 */
export class OptionReader {
  readonly #words: readonly string[];
  #next = 0;
  /** What is left of bundled short options. */
  #bundle: string | undefined;
  #onlyRest = false;
  readonly #rest: { word: string; at: number }[] = [];

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** The place of the word that was read last. */
  get at(): number {
    return this.#next - 1;
  }

  /** The words that are no options, so far. */
  get rest(): readonly { readonly word: string; readonly at: number }[] {
    return this.#rest;
  }

  /** Undefined where there are no more. After a complaint there is no going on. */
  next(): Read | undefined {
    if (this.#bundle !== undefined) return this.#short(this.#bundle);
    for (let word = this.#word(); word !== undefined; word = this.#word()) {
      if (this.#onlyRest || !word.startsWith('-') || word === '-') {
        this.#rest.push({ word, at: this.at });
      } else if (word === '--') {
        this.#onlyRest = true;
      } else {
        return word.startsWith('--') ? this.#long(word.slice(2)) : this.#short(word.slice(1));
      }
    }
    return undefined;
  }

  #word(): string | undefined {
    return this.#next < this.#words.length ? this.#words[this.#next++] : undefined;
  }

  #long(text: string): Read {
    const end = text.indexOf('=');
    const known = BY_LONG.get(end < 0 ? text : text.slice(0, end));
    if (known === undefined) return { complaint: 'unknown option' };
    return this.#withArgument(known, end < 0 ? undefined : text.slice(end + 1));
  }

  #short(text: string): Read {
    this.#bundle = undefined;
    const known = BY_SHORT.get(text.charAt(0));
    if (known === undefined) return { complaint: 'unknown option' };
    const more = text.slice(1);
    if (known.argument === 'none' && more !== '' && !more.startsWith('=')) {
      this.#bundle = more;
      return { option: known, value: undefined };
    }
    return this.#withArgument(known, more === '' ? undefined : more.replace(/^=/, ''));
  }

  #withArgument(known: Option, attached: string | undefined): Read {
    if (known.argument === 'none') {
      return attached === undefined
        ? { option: known, value: undefined }
        : { complaint: 'option does not take an argument' };
    }
    if (attached !== undefined) return { option: known, value: attached };
    const following = this.#words[this.#next];
    if (known.argument === 'optional' && (following === undefined || following.startsWith('-'))) {
      return { option: known, value: undefined };
    }
    const value = this.#word();
    return value === undefined ? { complaint: 'missing argument' } : { option: known, value };
  }
}
