// The netlink sockets that this process has open, told apart by their inodes: a port is soon given
// out again.

import { readFileSync } from 'node:fs';
import { descriptors } from '../../lab/own-process.js';

const NETLINK_USERSOCK = 2;

export function ownSockets(protocol = NETLINK_USERSOCK): Set<string> {
  const mine = new Set(descriptors());
  const rows = readFileSync('/proc/net/netlink', 'utf8')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => Number(row[1]) === protocol);
  return new Set(
    rows.map((row) => `socket:[${row.at(-1) ?? ''}]`).filter((name) => mine.has(name)),
  );
}

/** Whether one of them was closed, and another one opened. */
export const reopened = (before: Set<string>, after: Set<string>): boolean =>
  [...before].some((socket) => !after.has(socket)) &&
  [...after].some((socket) => !before.has(socket));
