// From readings to a table: medians, spread, ratios, and whether they are what issue and documentation
// ask for.

'use strict';

const IMPORT_AT_MOST = 15; // milliseconds
const MIB = 2 ** 20;

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function summary(numbers) {
  const given = numbers.filter((number) => number !== undefined);
  if (given.length === 0) return undefined;
  return {
    median: median(given),
    least: Math.min(...given),
    most: Math.max(...given),
    readings: given,
  };
}

/** What the readings of a run come to; `selected` are the cases that were asked for. */
function evaluate(readings, selected, imports) {
  const of = (kind, name) => readings.filter((each) => each.kind === kind && each.name === name);
  const times = (list) => summary(list.map(({ nanoseconds }) => nanoseconds));
  // Some of ipvsadm's are a sample.
  const scaled = (list, count) =>
    summary(list.map((each) => each.nanoseconds && (each.nanoseconds * count) / each.count));
  const results = selected.map(({ title, count, warmUp, shape, targets = {}, peer, floor: c }) => {
    const mine = of('case', title);
    const errors = mine.filter(({ error }) => error !== undefined).map(({ error }) => error);
    const ours = times(mine);
    const floor = times(of('floor', c.key));
    const theirs = peer && scaled(of('peer', peer.key), count);
    const result = {
      case: title,
      shape,
      count,
      warmUp,
      nanoseconds: ours,
      floor,
      floorRatio: ours && floor && ours.median / floor.median,
      bestRatio: ours && floor && ours.least / floor.least,
      peer: peer && { name: peer.name, nanoseconds: theirs },
      peerRatio: ours && theirs && theirs.median / ours.median,
      delay: summary(mine.map(({ longest, idle }) => longest && longest - idle)),
      longestDelay: summary(mine.map(({ longest }) => longest)),
      memory: summary(mine.map(({ memory }) => memory)),
      targets,
      errors,
      missing: of('missing', title).length > 0,
    };
    return { ...result, met: verdicts(result) };
  });
  if (imports !== undefined) {
    results.push({
      case: "require('ipvs')",
      milliseconds: imports,
      targets: { import: IMPORT_AT_MOST },
      errors: [],
      met: { import: imports.median <= IMPORT_AT_MOST },
    });
  }
  return results;
}

function verdicts({ floorRatio, peerRatio, delay, memory, targets }) {
  const met = {};
  if (targets.floor && floorRatio) met.floor = floorRatio <= targets.floor;
  if (targets.peer && peerRatio) met.peer = peerRatio >= targets.peer;
  if (targets.delay && delay) met.delay = delay.median <= targets.delay;
  if (targets.memory && memory) met.memory = memory.median <= targets.memory * MIB;
  return met;
}

function metOf({ met, targets }) {
  const names = Object.keys(targets);
  if (names.length === 0) return '';
  const unknown = names.filter((name) => met[name] === undefined);
  const failed = names.filter((name) => met[name] === false);
  if (failed.length > 0) return `no: ${failed.join(', ')}`;
  return unknown.length > 0 ? `unknown: ${unknown.join(', ')}` : 'yes';
}

function digits(number) {
  if (number === undefined) return '';
  if (number >= 100) return number.toFixed(0);
  return number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

const ms = (part) => part && digits(part / 1e6);

function row(result) {
  const { nanoseconds, floor, count, peer, targets, delay, longestDelay, memory } = result;
  const target = (sign, number) => (number === undefined ? '' : `${sign} ${number}`);
  if (result.milliseconds !== undefined) {
    const { median: middle, least, most } = result.milliseconds;
    return {
      case: result.case,
      'ours ms': digits(middle),
      spread: `${digits(least)} … ${digits(most)}`,
      met: metOf(result) && `${metOf(result)} (≤ ${targets.import} ms)`,
    };
  }
  const absence = result.missing ? 'missing' : 'not reached';
  const failures = result.errors.length > 0 ? `failed ${result.errors.length} times` : undefined;
  return {
    case: result.case,
    'ours ms': ms(nanoseconds?.median) ?? failures ?? absence,
    spread: nanoseconds && `${ms(nanoseconds.least)} … ${ms(nanoseconds.most)}`,
    'µs each': nanoseconds && digits(nanoseconds.median / 1e3 / count),
    'C ms': ms(floor?.median),
    '× C': digits(result.floorRatio),
    'best × C': digits(result.bestRatio),
    'at most': target('≤', targets.floor),
    ipvsadm: peer?.nanoseconds && `${peer.name} ${ms(peer.nanoseconds.median)}`,
    faster: result.peerRatio && `${digits(result.peerRatio)} ×`,
    'at least': target('≥', targets.peer),
    'delay ms': delay && `${digits(delay.median)} (${digits(longestDelay.most)})`,
    'memory MiB':
      memory && digits(memory.median / MIB) + (targets.memory ? ` (≤ ${targets.memory})` : ''),
    met: metOf(result) + (nanoseconds && failures ? ` (${failures})` : ''),
  };
}

/** As text, in columns. */
function format(results) {
  const rows = results.map(row);
  const names = Object.keys(rows.reduce((longest, each) => ({ ...longest, ...each }), {}));
  const widths = names.map((name) =>
    Math.max(name.length, ...rows.map((each) => (each[name] ?? '').length)),
  );
  const line = (cells) =>
    cells
      .map((cell, column) =>
        column === 0 || column === cells.length - 1
          ? cell.padEnd(widths[column])
          : cell.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd();
  const text = [
    line(names),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map((each) => line(names.map((name) => each[name] ?? ''))),
  ];
  const errors = results.flatMap((each) => each.errors.map((error) => `${each.case}: ${error}`));
  return [...text, ...(errors.length > 0 ? ['', ...new Set(errors)] : [])].join('\n');
}

module.exports = { evaluate, format, median, summary };
