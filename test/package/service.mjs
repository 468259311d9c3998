// A user's first program.

import { Ipvs, IpvsError, addDestination, addService, listServices, removeService } from 'ipvs';

const web = { protocol: 'tcp', address: '192.0.2.1', port: 80 };

await addService({ ...web, scheduler: 'rr' });
await addDestination(web, { address: '127.0.0.2', forwarding: 'nat', port: 8080, weight: 3 });

const ipvs = await Ipvs.open();
const destinations = await ipvs.listDestinations(web);
console.log((await listServices()).map(({ address, scheduler }) => `${address} ${scheduler}`));
console.log(destinations.map(({ address, port, weight }) => `${address} ${port} ${weight}`));

await removeService(web);
const error = await ipvs.removeService(web).catch((error) => error);
console.log(error instanceof IpvsError, error.code, await listServices());
await ipvs.close();
