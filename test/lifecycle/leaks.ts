// What is opened is closed.

import t from 'tap';
import { nothingIsLeft } from './programs/left.js';
import type { Left } from './programs/process.js';
import { run } from './programs/run.js';

t.setTimeout(300_000);

// Bytes that 1,000 repetitions may cost. The JavaScript heap is exact: 12 KB were seen without a leak, and
// an object of 100 bytes that each leaves shows.
const HEAP = 100_000;
// Resident memory is not, because the allocator keeps pages. Without a leak 250 KB were seen, 900 KB where
// many work at once. A receive buffer that is left behind costs 4 MB, as little of it as is touched.
const repeated = {
  'open and close': 3_000_000,
  'open, ask and close': 3_000_000,
  'open, ask and close at once': 3_000_000,
  'open in vain': 3_000_000,
};
for (const [state, resident] of Object.entries(repeated)) {
  // Catches what only the garbage collector gives back, or nobody.
  t.test(`10,000 times "${state}" leaves nothing`, (t) => {
    const { stdout, ...rest } = run(state, '--expose-gc');
    t.strictSame(rest, { status: 0, signal: null, stderr: '' });
    nothingIsLeft(t, JSON.parse(stdout) as Left, { heap: HEAP, resident });
    t.end();
  });
}

// Catches a handle that holds itself, and one whose end forgets its sockets.
t.test('a handle that is forgotten is collected with its descriptors', (t) => {
  const { stdout, ...rest } = run('forgotten', '--expose-gc');
  t.match(rest, { status: 0, stderr: '' });
  const { open, left } = JSON.parse(stdout) as { open: number; left: number };
  t.ok(open > 0, `${open} were open`);
  t.equal(left, 0);
  t.end();
});

// Catches work that loses its connection to the garbage collector.
t.test('a handle that is forgotten still answers what was asked', (t) => {
  const { stdout, ...rest } = run('forgotten in flight', '--expose-gc');
  t.match(rest, { status: 0, stderr: '' });
  t.strictSame(JSON.parse(stdout), { settled: 50, left: 0 });
  t.end();
});

// Catches what an environment that goes away leaves open.
t.test('a worker that ends with open handles leaves no descriptor', (t) => {
  const { stdout, ...rest } = run('descriptors of workers');
  t.match(rest, { status: 0, stderr: '' });
  t.strictSame(JSON.parse(stdout), { left: 0 });
  t.end();
});
