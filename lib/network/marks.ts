// Marks as nf_tables has them, from the comments at their rules.

import type { Protocol } from '../types.js';
import { FAMILIES } from '../words.js';
import type { MarkRecord } from './native.js';
import type { MarkRule, PortRange } from './types.js';
import { parseMarkRule } from './validate.js';

const NOTE = /^ipvs (tcp|udp|sctp) ([\da-f.:/]+) (?:(\d+)(?:-(\d+))? )?mark (\d+)$/;

/** Undefined for a rule of somebody else. */
function readNote({ family, note }: MarkRecord): MarkRule | undefined {
  const [, protocol, address, from, to = from, mark] = NOTE.exec(note) ?? [];
  if (address === undefined) return undefined;
  const range = { from: Number(from), to: Number(to) };
  const rule: MarkRule = {
    family: FAMILIES.word(family),
    address,
    protocol: protocol as Protocol,
    ...(from !== undefined && { ports: [range.from === range.to ? range.from : range] }),
    mark: Number(mark),
  };
  try {
    return parseMarkRule(rule).numbers.notes[0] === note ? rule : undefined;
  } catch {
    return undefined;
  }
}

/** The records of one address, protocol and mark are one rule, wherever the first of them is. */
export function toMarkRules(records: readonly MarkRecord[]): MarkRule[] {
  const rules = new Map<string, MarkRule & { ports?: (number | PortRange)[] }>();
  for (const record of records) {
    const found = readNote(record);
    if (found === undefined) continue;
    const { ports, ...rest } = found;
    const key = `${rest.address} ${rest.protocol} ${rest.mark} ${ports === undefined}`;
    const known = rules.get(key);
    if (known === undefined) rules.set(key, { ...rest, ...(ports && { ports: [...ports] }) });
    else known.ports?.push(...(ports ?? []));
  }
  return [...rules.values()];
}
