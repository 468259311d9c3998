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
  const { action, service, destination } = report;
  const verb = style.bold((dryRun ? WOULD : DONE)[action]);
  const owner = serviceWords(service);
  const subject =
    destination === undefined
      ? owner
      : `server ${endpointWords(destination.address, destination.port ?? 0)} ` +
        `${PREPOSITION[action]} ${owner}`;
  const details = detailsOf(report, style);
  return `${verb} ${subject}${details === '' ? '' : `: ${details}`}${remainder(report)}`;
}

function detailsOf({ action, before, after }: ChangeReport, style: Style): string {
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
  const { scheduler = 'wlc', schedulerFlags = [], persistence, onePacket } = service;
  return {
    scheduler,
    flags: schedulerFlags.join(',') || 'none',
    persistent: persistence === undefined ? 'none' : persistenceWords(persistence),
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
