// Finds and loads the addon, on the first call that needs it. `import 'ipvs'` never fails.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { IpvsError } from './errors.js';
import { FACTORIES } from './native.js';
import type { Addon } from './native.js';
import { readsOurRequests } from './requests.js';
import { writesOurRows } from './rows.js';

const ROOT = join(__dirname, '..');

let loaded: Addon | undefined;

/** The addon, or an IpvsError with the code ERR_IPVS_PLATFORM or ERR_IPVS_LOAD. */
export function loadAddon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  const { platform, arch } = process;
  if (platform !== 'linux') {
    throw new IpvsError(
      { command: 'load' },
      {
        code: 'ERR_IPVS_PLATFORM',
        sentence: `IPVS is part of the Linux kernel, and this is ${platform}`,
        hint: 'run this on Linux, for example in a privileged container or a virtual machine',
      },
    );
  }
  let addon: Addon;
  try {
    addon = findAddon(arch);
  } catch (cause) {
    throw new IpvsError(
      { command: 'load' },
      {
        code: 'ERR_IPVS_LOAD',
        sentence: `the native addon can't be loaded: ${firstLine(cause)}`,
        hint:
          `no prebuilt file fits linux-${arch} with Node.js ${process.version}, or it is damaged; ` +
          `build it with a C++ compiler, make and Python: npm rebuild ipvs --foreground-scripts`,
        cause,
      },
    );
  }
  if (!readsOurRequests(addon.requestLayout) || !writesOurRows(addon.rowLayout)) {
    throw new IpvsError(
      { command: 'load' },
      {
        code: 'ERR_IPVS_LOAD',
        sentence: 'the native addon was built from another version of this package',
        hint: 'build it again: npm rebuild ipvs --foreground-scripts',
      },
    );
  }
  addon.setFactories(FACTORIES);
  return addon;
}

// The local build first, for those who build; then the one prebuilt file for this machine.
function findAddon(arch: string): Addon {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  const bindings = require('bindings') as typeof import('bindings');
  const options = {
    bindings: 'ipvs.node',
    module_root: ROOT,
    // Asked for only where there is no local build: looking at the C library takes a while.
    get prebuilt() {
      return `ipvs.${libc()}.node`;
    },
    try: [
      ['module_root', 'build', 'Release', 'bindings'],
      ['module_root', 'build', 'Debug', 'bindings'],
      ['module_root', 'prebuilds', `linux-${arch}`, 'prebuilt'],
    ],
    path: true, // where it is, not the addon itself
  };
  const file = bindings(options) as string;
  if (isCutShort(file)) throw new Error(`${file}: the file is cut short`);
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  return require(file) as Addon;
}

// Loading a file without its end, as a full disk leaves it behind, is no error: it is SIGBUS, and the
// process is gone. In an ELF file the table of sections comes last, and the header says where.
function isCutShort(file: string): boolean {
  const header = new DataView(new ArrayBuffer(64));
  const fd = openSync(file, 'r');
  try {
    readSync(fd, header);
    // "\x7fELF", 64 bits, little-endian. Whatever else it is, loading says so.
    if (header.getUint32(0) !== 0x7f454c46 || header.getUint16(4) !== 0x0201) return false;
    const sections = Number(header.getBigUint64(0x28, true));
    const size = header.getUint16(0x3a, true) * header.getUint16(0x3c, true);
    return fstatSync(fd).size < sections + size;
  } finally {
    closeSync(fd);
  }
}

function libc(): string {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  const { familySync } = require('detect-libc') as typeof import('detect-libc');
  return familySync() ?? 'glibc';
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // "Could not locate the bindings file. Tried:" goes on for several lines.
  return (text.split('\n', 1)[0] ?? '').replace(/\. Tried:$/, '');
}
