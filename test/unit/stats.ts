import t from 'tap';
import { parseDirectorStats } from '#lib/stats';

// As Linux 6.12 prints them; ip_vs_stats_percpu since 6.1 with a row of rates, too.
const TOTALS = `   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
      1A        3        2               5A               AE

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       1        2        3                B               16
`;
const PER_CPU = `       Total Incoming Outgoing         Incoming         Outgoing
CPU    Conns  Packets  Packets            Bytes            Bytes
  0       10        1        2               50               AE
  B        A        2        0                A                0
  ~       1A        3        2               5A               AE

     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
           1        2        3                B               16
`;

t.test('totals, rates and CPUs are read as hexadecimal numbers', (t) => {
  t.same(parseDirectorStats(TOTALS, PER_CPU, false), {
    connections: 26,
    incomingPackets: 3,
    outgoingPackets: 2,
    incomingBytes: 90,
    outgoingBytes: 174,
    connectionRate: 1,
    incomingPacketRate: 2,
    outgoingPacketRate: 3,
    incomingByteRate: 11,
    outgoingByteRate: 22,
    perCpu: [
      {
        cpu: 0,
        connections: 16,
        incomingPackets: 1,
        outgoingPackets: 2,
        incomingBytes: 80,
        outgoingBytes: 174,
      },
      {
        cpu: 11,
        connections: 10,
        incomingPackets: 2,
        outgoingPackets: 0,
        incomingBytes: 10,
        outgoingBytes: 0,
      },
    ],
  });
  t.end();
});

t.test('bigints are exact where numbers are not', (t) => {
  const many = TOTALS.replace('              5A', 'FFFFFFFFFFFFFFFF');
  const wide = PER_CPU.replace('              50', 'FFFFFFFFFFFFFFFE');
  const stats = parseDirectorStats(many, wide, true);
  t.equal(stats?.incomingBytes, 2n ** 64n - 1n);
  t.equal(stats?.perCpu[0]?.incomingBytes, 2n ** 64n - 2n);
  t.equal(stats?.connectionRate, 1n);
  t.equal(stats?.perCpu[0]?.cpu, 0, 'the number of a CPU stays a number');
  t.end();
});

t.test('a text of another shape is no statistics', (t) => {
  for (const [name, totals, perCpu] of [
    ['nothing', '', ''],
    ['no rates', TOTALS.split('\n\n')[0] ?? '', PER_CPU],
    ['a column less', TOTALS.replace('      1A ', ''), PER_CPU],
    [
      'a row more',
      `${TOTALS}       1        2        3                B               16\n`,
      PER_CPU,
    ],
    ['a column less for a CPU', TOTALS, PER_CPU.replace('               50', '')],
  ] as const) {
    t.equal(parseDirectorStats(totals, perCpu, false), undefined, name);
  }
  t.end();
});
