// What a fresh service or destination reads like, apart from what a test is about.

import type { Stats } from 'ipvs';

export const noTraffic: Stats = {
  connections: 0,
  incomingPackets: 0,
  outgoingPackets: 0,
  incomingBytes: 0,
  outgoingBytes: 0,
  connectionRate: 0,
  incomingPacketRate: 0,
  outgoingPacketRate: 0,
  incomingByteRate: 0,
  outgoingByteRate: 0,
};

/** The part of a destination that is only observed, before any traffic. */
export const unused = {
  activeConnections: 0,
  inactiveConnections: 0,
  persistentConnections: 0,
  stats: noTraffic,
};
