// Why IPVS can't be used. A wrong sentence here sends people to give a capability that they have, or
// to load a module that no kernel of theirs can load.

import t from 'tap';
import { whyNotPermitted, whyUnavailable } from '#lib/rights';
import { UNPRIVILEGED, WITHOUT_MODULE, fakeFiles } from '../fixtures/fake-files.js';

const MAP = '/proc/self/uid_map';
const STATUS = '/proc/self/status';

t.test('who has no CAP_NET_ADMIN is told so', async (t) => {
  for (const effective of ['0000000000000000', '000001ffffffefff', '0000000000002000']) {
    await t.test(effective, async (t) => {
      fakeFiles(t, { ...UNPRIVILEGED, [STATUS]: `CapPrm:\tfff\nCapEff:\t${effective}\n` });
      const { sentence, hint } = await whyNotPermitted();
      t.equal(sentence, 'this process lacks the capability CAP_NET_ADMIN');
      t.match(hint, /as root, .*setcap cap_net_admin\+ep, --cap-add NET_ADMIN .*AmbientCap/);
    });
  }
});

// With every capability, but not where it counts.
t.test('who lives in a user namespace is told that', async (t) => {
  for (const map of [
    '         0       1000          1\n',
    '         0          0       1000\n',
    '         0     100000      65536\n',
    '0 0 1000\n1000 1000 4294966295\n',
    '',
  ]) {
    await t.test(JSON.stringify(map), async (t) => {
      fakeFiles(t, { [MAP]: map, [STATUS]: 'CapEff:\t000001ffffffffff\n' });
      const { sentence, hint } = await whyNotPermitted();
      t.equal(
        sentence,
        'this process is in a user namespace of its own, and IPVS takes the initial one',
      );
      t.match(hint, /outside of rootless containers .*privileged container/);
    });
  }
});

t.test('a kernel without user namespaces has only the capability to look at', async (t) => {
  fakeFiles(t, { ...UNPRIVILEGED, [MAP]: null });
  t.match(await whyNotPermitted(), { sentence: /lacks the capability CAP_NET_ADMIN/ });
});

t.test('who has it all is sent to look for somebody else who says no', async (t) => {
  for (const effective of ['000001ffffffffff', '0000000000001000']) {
    await t.test(effective, async (t) => {
      fakeFiles(t, { ...UNPRIVILEGED, [STATUS]: `CapEff:\t${effective}\n` });
      const { sentence, hint } = await whyNotPermitted();
      t.equal(sentence, 'the kernel does not let this process use IPVS');
      t.match(hint, /it has CAP_NET_ADMIN, .*SELinux, AppArmor, lockdown/);
    });
  }
});

t.test('a kernel without IPVS says what keeps the module away', async (t) => {
  for (const [files, sentence, hint] of [
    [
      {},
      "this kernel has no IPVS: the module ip_vs can't be loaded",
      /"modprobe ip_vs" on the host/,
    ],
    [
      { '/proc/sys/kernel/modules_disabled': '1\n' },
      'this kernel has no IPVS, and loading modules is disabled (kernel.modules_disabled)',
      /load ip_vs at boot/,
    ],
    [
      { '/proc/sys/kernel/modules_disabled': null, '/proc/modules': null },
      "this kernel has no IPVS and can't load modules",
      /CONFIG_IP_VS/,
    ],
  ] as const) {
    await t.test(sentence, async (t) => {
      fakeFiles(t, { ...WITHOUT_MODULE, ...files });
      const why = await whyUnavailable();
      t.equal(why.sentence, sentence);
      t.match(why.hint, hint);
    });
  }
});
