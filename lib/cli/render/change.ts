// One line for one change: what was done, and to what.

import type { DestinationConfig, ServiceConfig } from '../../types.js';
import type { ChangeReport } from '../change.js';
import type { Style } from '../terminal.js';
import { endpointWords, serviceWords } from '../words.js';
import { persistenceWords, tunnelWords } from './list.js';
import { countOf } from './numbers.js';

const DONE = { add: 'added', update: 'changed', remove: 'removed', none: 'unchanged' } as const;
const WOULD = {
  add: 'would add',
  update: 'would change',
  remove: 'would remove',
  none: 'would leave unchanged',
} as const;
const PREPOSITION = { add: 'to', update: 'of', remove: 'from', none: 'of' } as const;

export function changeLine(report: ChangeReport, dryRun: boolean, style: Style): string {
  const verb = style.bold((dryRun ? WOULD : DONE)[report.action]);
  const details = changeDetails(report, style);
  const line = `${verb} ${changeSubject(report)}${details === '' ? '' : `: ${details}`}`;
  return line + remainder(report);
}

/** What a change is about: 'tcp 10.0.0.1:80', 'server 10.0.0.5:80 of tcp 10.0.0.1:80'. */
export function changeSubject({ action, service, destination }: ChangeReport): string {
  const owner = serviceWords(service);
  if (destination === undefined) return owner;
  const server = endpointWords(destination.address, destination.port ?? 0);
  return `server ${server} ${PREPOSITION[action]} ${owner}`;
}

/** The settings of what is new, or what changes. */
export function changeDetails({ action, before, after }: ChangeReport, style: Style): string {
  if (after === undefined) return '';
  const now = settings(after);
  if (action === 'add') {
    const said = Object.entries(now).filter(([, value]) => value !== 'none');
    return said.map(([name, value]) => `${name} ${value}`).join(', ');
  }
  if (action !== 'update' || before === undefined) return '';
  const old = settings(before);
  const arrow = style.unicode ? '→' : '->';
  return Object.entries(now)
    .filter(([name, value]) => old[name] !== value)
    .map(([name, value]) => `${name} ${old[name]} ${arrow} ${value}`)
    .join(', ');
}

// A server that takes no new connections is about to go: what is left of it matters.
function remainder({ action, after, connections }: ChangeReport): string {
  if (action === 'add' || connections === undefined) return '';
  if (after === undefined || !('weight' in after) || after.weight !== 0) return '';
  const { active, inactive, persistent } = connections;
  const sticky = persistent > 0 ? `, ${countOf(persistent, 'sticky client')}` : '';
  return `; ${countOf(active + inactive, 'connection')} left (${active} active${sticky})`;
}

/** Each setting in words, 'none' where there is none. */
function settings(config: ServiceConfig | DestinationConfig): Record<string, string> {
  return 'scheduler' in config || !('forwarding' in config)
    ? serviceSettings(config as ServiceConfig)
    : serverSettings(config);
}

function serviceSettings(service: ServiceConfig): Record<string, string> {
  const { scheduler = 'wlc', schedulerFlags = [], persistence, engine, onePacket } = service;
  return {
    scheduler,
    flags: schedulerFlags.join(',') || 'none',
    persistent: persistence === undefined ? 'none' : persistenceWords(persistence),
    engine: engine ?? 'none',
    'one packet': onePacket === true ? 'yes' : 'none',
  };
}

function serverSettings(server: DestinationConfig): Record<string, string> {
  const { forwarding = 'dr', weight, upperThreshold, lowerThreshold, tunnel } = server;
  return {
    method: forwarding,
    weight: String(weight),
    'upper threshold': threshold(upperThreshold),
    'lower threshold': threshold(lowerThreshold),
    tunnel: tunnel === undefined || tunnel.type === 'ipip' ? 'none' : tunnelWords(tunnel),
  };
}

function threshold(value = 0): string {
  return value === 0 ? 'none' : String(value);
}
