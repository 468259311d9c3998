import t from 'tap';
import { freshIpvs } from '../lab/namespace.js';

t.test('a service that was added is read back and listed', async (t) => {
  const { ipvs, ipvsadm } = await freshIpvs(t);
  const key = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
  await ipvs.addService({ ...key, scheduler: 'rr' });
  t.match(await ipvs.getService(key), { ...key, family: 'ipv4', scheduler: 'rr' });
  t.equal((await ipvs.listServices()).length, 1);
  t.equal(ipvsadm('-Sn'), '-A -t 10.0.0.1:80 -s rr\n');
});
