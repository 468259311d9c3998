// Why IPVS can't be used here: what the process and the kernel say about themselves.

import { readFile } from 'node:fs/promises';

export interface Obstacle {
  readonly sentence: string;
  readonly hint: string;
}

/** Undefined where the file is not there or can't be read. */
async function text(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

const CAPABILITIES = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n } as const;

/** What to say of a process without a capability; undefined where it has it. */
export async function missingCapability(
  name: keyof typeof CAPABILITIES = 'CAP_NET_ADMIN',
): Promise<Obstacle | undefined> {
  const status = (await text('/proc/self/status')) ?? '';
  const effective = BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)?.[1] ?? '0'}`);
  if ((effective & (1n << CAPABILITIES[name])) === 0n) {
    return {
      sentence: `this process lacks the capability ${name}`,
      hint:
        `run it as root, or give it the capability: setcap ${name.toLowerCase()}+ep, ` +
        `--cap-add ${name.slice('CAP_'.length)} for a container, AmbientCapabilities= for a systemd unit`,
    };
  }
  return undefined;
}

/** Why the kernel said EPERM. */
export async function whyNotPermitted(): Promise<Obstacle> {
  // One line that maps everything onto itself: the initial user namespace. A new one maps nothing
  // yet; a kernel that has none has no such file.
  const map = await text('/proc/self/uid_map');
  if (map !== undefined && map.trim().split(/\s+/).join(' ') !== '0 0 4294967295') {
    return {
      sentence: 'this process is in a user namespace of its own, and IPVS takes the initial one',
      hint:
        'run it outside of rootless containers and user namespaces, ' +
        'or in a privileged container of a daemon that runs as root',
    };
  }
  const missing = await missingCapability();
  if (missing !== undefined) return missing;
  return {
    sentence: 'the kernel does not let this process use IPVS',
    hint: 'it has CAP_NET_ADMIN, so look for a security module (SELinux, AppArmor, lockdown)',
  };
}

/** Why the kernel has no IPVS, as far as it shows. */
export async function whyUnavailable(): Promise<Obstacle> {
  const sentence = 'this kernel has no IPVS';
  if ((await text('/proc/sys/kernel/modules_disabled'))?.trim() === '1') {
    return {
      sentence: `${sentence}, and loading modules is disabled (kernel.modules_disabled)`,
      hint: 'load ip_vs at boot, before modules are disabled',
    };
  }
  try {
    await readFile('/proc/modules');
  } catch {
    return {
      sentence: `${sentence} and can't load modules`,
      hint: 'it takes a kernel that was built with CONFIG_IP_VS',
    };
  }
  return {
    sentence: `${sentence}: the module ip_vs can't be loaded`,
    hint:
      'the kernel tried by itself; run "modprobe ip_vs" on the host to see why: ' +
      'the module may not be installed, be blacklisted, or not fit the running kernel',
  };
}
