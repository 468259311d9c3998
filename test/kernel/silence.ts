// What the kernel takes without a word, and what the library therefore refuses. They catch a check
// that is missing, and a listing that fails because of what somebody else put there.

import t from 'tap';
import type { DestinationConfig, ServiceConfig } from 'ipvs';
import { Command } from '#lib/records';
import { parseDestinationId, parseServiceId } from '#lib/validate';
import { senselessDestinations, senselessServices } from '../fixtures/senseless.js';
import { failureOf } from '../lab/failure.js';
import { freshIpvs } from '../lab/namespace.js';
import { sendRaw, tableOf } from '../lab/records.js';

const service = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

t.test('what makes no sense never comes to the kernel', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService(service);
  const before = await tableOf(netns);
  for (const { name, config, property } of senselessServices) {
    const error = await failureOf(ipvs.addService(config as ServiceConfig));
    t.match(error.message, `The property 'service.${property}' `, name);
  }
  for (const { name, config, property } of senselessDestinations) {
    const error = await failureOf(ipvs.addDestination(service, config as DestinationConfig));
    t.match(error.message, `The property 'destination.${property}' `, name);
  }
  t.strictSame(await tableOf(netns), before);
});

t.test('what others got past the kernel is listed with digits for words', async (t) => {
  const { ipvs, netns } = await freshIpvs(t);
  await ipvs.addService(service);
  const id = parseServiceId(service);
  const serviceNumbers = { scheduler: 'rr', flags: 0, timeout: 0, netmask: 0, engine: '' };
  await sendRaw(netns, {
    command: Command.newService,
    service: { ...id, protocol: 47, port: 0 },
    serviceNumbers,
  });
  await sendRaw(netns, {
    command: Command.newDestination,
    service: id,
    destination: parseDestinationId({ address: '10.0.0.5', port: 8080 }, id),
    destinationNumbers: {
      forwarding: 2,
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnelType: 1,
      tunnelPort: 6080,
      tunnelFlags: 3,
    },
  });
  await sendRaw(netns, {
    command: Command.newDestination,
    service: id,
    destination: parseDestinationId({ address: '10.0.0.6' }, id),
    destinationNumbers: {
      forwarding: 5,
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnelType: 3,
      tunnelPort: 0,
      tunnelFlags: 0,
    },
  });

  t.match(await ipvs.listServices(), [service, { ...service, protocol: '47', port: 0 }]);
  t.match(await ipvs.listDestinations(service), [
    {
      address: '10.0.0.5',
      port: 8080,
      forwarding: 'tun',
      tunnel: { type: 'gue', port: 6080, checksum: '3' },
    },
    { address: '10.0.0.6', port: 80, forwarding: '5' },
  ]);
  // It can be mended and removed by its key.
  await ipvs.updateDestination(service, { address: '10.0.0.6' }, { forwarding: 'nat' });
  await ipvs.removeDestination(service, { address: '10.0.0.5', port: 8080 });
  t.match(await ipvs.listDestinations(service), [{ address: '10.0.0.6', forwarding: 'nat' }]);
});
