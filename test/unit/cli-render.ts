// What is drawn, from data and width alone. It catches columns that do not line up, lines that are too
// long for a terminal, and what a narrow one would lose.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';
import { ConnectionTable } from '#lib/cli/render/connections';
import { listLines, listSummary } from '#lib/cli/render/list';
import { statsLines } from '#lib/cli/render/stats';
import { makeProgram } from '#lib/cli/program';
import { rowCount, tableRows, watchLines, wholeLines } from '#lib/cli/render/watch';
import type { WatchModel } from '#lib/cli/render/watch';
import { makeStyle } from '#lib/cli/terminal';
import { pressed } from '#lib/cli/commands/watch';
import type { Connection } from 'ipvs';
import { many, someStats, three } from '../fixtures/tables.js';

const plain = makeStyle(false, true);
const ascii = makeStyle(false, false);
const colour = makeStyle(true, true);

/** Compares with test/fixtures/screens; IPVS_WRITE_SCREENS writes them anew, to be looked at. */
function looksLike(t: Test, name: string, lines: readonly string[]): void {
  const file = join(__dirname, '..', '..', 'test', 'fixtures', 'screens', `${name}.txt`);
  const text = `${lines.join('\n')}\n`;
  if (process.env.IPVS_WRITE_SCREENS) writeFileSync(file, text);
  t.equal(text, readFileSync(file, 'utf8'), name);
}

const model: WatchModel = {
  services: three,
  total: someStats(38),
  sort: 'conns',
  reversed: false,
  servers: 'auto',
  offset: 0,
  paused: false,
  interval: 2,
  time: '12:00:01',
};

const connections: Connection[] = [
  {
    kind: 'connection',
    protocol: 'tcp',
    client: { address: '192.0.2.1', port: 40404 },
    virtual: { address: '10.0.0.1', port: 80 },
    destination: { address: '10.0.0.5', port: 8080 },
    state: 'ESTABLISHED',
    expires: 899,
  },
  {
    kind: 'template',
    client: { address: '192.0.2.0', port: 0 },
    virtual: { fwmark: 80 },
    destination: { address: '10.0.0.5', port: 0 },
    state: 'NONE',
    expires: 30,
  },
  {
    kind: 'connection',
    protocol: 'udp',
    client: { address: '2001:db8:85a3:8d3:1319:8a2e:370:7348', port: 5060 },
    virtual: { address: '2001:db8:85a3:8d3:1319:8a2e:370:7349', port: 5060 },
    destination: { address: '2001:db8:85a3:8d3:1319:8a2e:370:7350', port: 5060 },
    state: 'UDP',
    expires: 300,
    engine: 'sip',
    engineData: 'a\x1b[2J@host',
  },
];

for (const width of [80, 200]) {
  t.test(`the screens of ${width} columns`, (t) => {
    const size = { columns: width, rows: 24 };
    const view = width < 132 ? 'totals' : 'both';
    looksLike(t, `list-${width}`, listLines(three, plain, width));
    looksLike(
      t,
      `stats-${width}`,
      statsLines(three, someStats(38), { view, exact: false, style: plain, width }),
    );
    looksLike(t, `watch-${width}`, watchLines(model, size, plain));
    looksLike(t, `watch-ascii-${width}`, watchLines(model, size, ascii));
    looksLike(t, `watch-colour-${width}`, watchLines(model, size, colour));
    looksLike(
      t,
      `watch-many-${width}`,
      watchLines({ ...model, services: many, sort: 'in', offset: 40 }, size, plain),
    );
    looksLike(t, `connections-${width}`, new ConnectionTable(plain, width).lines(connections));
    t.end();
  });
}

t.test('no line is longer than the terminal, and nothing is lost', (t) => {
  for (const width of [40, 60, 80, 132, 200]) {
    for (const services of [three, many]) {
      const list = listLines(services, plain, width);
      t.ok(
        list.every((line) => line.length <= Math.max(width, 60)),
        `list ${width}`,
      );
      for (const { destinations } of services.slice(0, 3)) {
        for (const { address } of destinations) t.ok(list.some((line) => line.includes(address)));
      }
      for (const rows of [5, 24, 60]) {
        const size = { columns: width, rows };
        const screen = watchLines({ ...model, services }, size, plain);
        t.equal(screen.length, rows);
        t.ok(
          screen.every((line) => line.length <= width),
          `watch ${width} ${rows}`,
        );
      }
    }
  }
  t.end();
});

t.test('colours change nothing but the colour', (t) => {
  const strip = (lines: readonly string[]) => lines.map((line) => stripVTControlCharacters(line));
  const size = { columns: 80, rows: 24 };
  t.same(strip(listLines(three, colour, 80)), listLines(three, plain, 80));
  t.same(strip(watchLines(model, size, colour)), watchLines(model, size, plain));
  t.not(listLines(three, colour, 80).join(), listLines(three, plain, 80).join());
  t.end();
});

t.test(
  'what goes into a pipe is not wrapped, and what the network sent can not steer a terminal',
  (t) => {
    const lines = new ConnectionTable(plain, Infinity).lines(connections);
    t.equal(lines.length, 1 + connections.length);
    t.match(lines.at(-1), /sip a\\x1b\[2J@host$/);
    t.equal(listLines(three, plain, Infinity).length, 1 + 3 + 5);
    t.end();
  },
);

t.test('columns of a later portion are not narrower', (t) => {
  const table = new ConnectionTable(plain, Infinity);
  const [first, , long] = connections as [Connection, Connection, Connection];
  const [titles = ''] = table.lines([long]);
  const [line = ''] = table.lines([first]);
  t.equal(line.indexOf('tcp'), titles.indexOf('PROTOCOL'));
  t.end();
});

t.test('of an empty table there is a summary, and a screen', (t) => {
  t.same(listLines([], plain, 80), []);
  t.equal(listSummary(three), '3 services, 5 servers');
  const screen = watchLines({ ...model, services: [] }, { columns: 80, rows: 10 }, plain);
  t.match(screen[3], 'No virtual services here');
  t.end();
});

t.test('every key of watch is told in its help, and where it may be looked for', (t) => {
  const watch = makeProgram().commands.find((each) => each.name() === 'watch');
  const foot = watchLines(model, { columns: 80, rows: 24 }, plain).at(-1);
  t.match(foot, '? keys');
  for (const key of ['q', 'c', 'a', 'i', 'o', 'p', 'n', 'r', 's', 'space', '? or h']) {
    t.match(watch?.description(), new RegExp(`[:;] ${key.replace('?', '\\?')} [a-z]`), key);
  }
  t.end();
});

t.test('the whole table has all rows, and no keys below it', (t) => {
  const lines = wholeLines({ ...model, offset: 2 }, 80, plain);
  t.equal(lines.length, 3 + 3 + 5);
  t.match(lines[3], /^tcp /);
  t.equal(wholeLines({ ...model, servers: 'hidden' }, 80, plain).length, 3 + 3);
  t.match(wholeLines({ ...model, services: [] }, 80, plain).at(-1), 'No virtual services');
  t.end();
});

t.test('keys of watch', (t) => {
  const size = { columns: 80, rows: 24 };
  const shown = (m: WatchModel) => watchLines(m, size, plain).slice(3, 3 + tableRows(size));
  const first = (m: WatchModel) => shown(m)[0];
  const large = { ...model, services: many };
  const most = [...many].sort((a, b) => b.stats.connectionRate - a.stats.connectionRate)[0];
  t.match(first(large), `tcp ${(most as { address?: string }).address}:80`);
  t.match(first(pressed(large, 'r', size)), 'tcp 10.0.0.1:80'); // the one without traffic
  t.match(first(pressed(large, 'n', size)), 'tcp 10.0.0.1:80');
  t.match(first(pressed(pressed(large, 'n', size), 'r', size)), 'tcp 10.11.183.1:80');
  t.equal(rowCount(large, size), 3000, 'servers are hidden where they do not fit');
  t.equal(rowCount(pressed(large, 's', size), size), 6000);
  t.equal(rowCount(pressed(model, 's', size), size), 3);

  t.equal(pressed(large, 'up', size).offset, 0);
  t.equal(pressed(large, 'down', size).offset, 1);
  t.equal(pressed(large, 'page-down', size).offset, 20);
  t.equal(pressed(large, 'end', size).offset, 2980);
  t.equal(pressed(pressed(large, 'end', size), 'down', size).offset, 2980);
  t.equal(shown(pressed(large, 'end', size)).length, 20);
  t.equal(pressed(pressed(large, 'end', size), 'home', size).offset, 0);
  t.equal(pressed(pressed(large, 'end', size), 'a', size).offset, 0, 'another order, from the top');
  t.equal(pressed(large, 'space', size).paused, true);
  for (const key of ['?', 'h']) {
    for (const width of [40, 80]) {
      const help = watchLines(pressed(large, key, size), { columns: width, rows: 24 }, plain);
      t.equal(help.length, 24);
      t.ok(
        help.every((line) => line.length <= width),
        `${width}`,
      );
      t.ok(help.some((line) => /^c +sorts by connections/.test(line)) || width < 80);
    }
    t.same(pressed(pressed(large, key, size), 'x', size), { ...large, help: false });
  }
  t.equal(pressed(large, 'x', size), large);
  t.end();
});
