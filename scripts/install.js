// npm runs this when the package has been installed: it builds the addon where no prebuilt file works.
//
// Off Linux it does nothing: there is nothing to build, `import` works there all the same, and calls
// reject with ERR_IPVS_PLATFORM.
//
// On Linux an installation without a working addon fails, as those of better-sqlite3 and sharp do:
// somebody is looking at it now, and not when the first call rejects in production. Who can do without
// installs with --ignore-scripts, or lists the package under optionalDependencies, whose failures npm
// lets pass.

'use strict';

const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join, resolve } = require('node:path');

const root = join(__dirname, '..');

// Whether the first call of an application will find an addon. In a process of its own: loading a
// damaged file can end it. A fresh clone has no dist/ yet, and therefore builds.
function addonLoads() {
  const program = 'require("./dist/load.js").loadAddon()';
  return spawnSync(process.execPath, ['-e', program], { cwd: root }).status === 0;
}

function build() {
  const nodeGyp = process.env.npm_config_node_gyp; // the one that comes with npm
  const [command, args] = nodeGyp ? [process.execPath, [nodeGyp]] : ['node-gyp', []];
  const env = { ...process.env };
  // Most installations of Node.js bring their headers, which saves a download.
  const prefix = resolve(process.execPath, '../..');
  if (existsSync(join(prefix, 'include/node/node_api.h'))) env.npm_config_nodedir ??= prefix;
  const { status, error } = spawnSync(command, [...args, 'rebuild'], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  if (error) console.error(`${command}: ${error.message}`);
  return status === 0;
}

if (process.platform === 'linux' && !addonLoads() && !build()) {
  console.error(
    `\nipvs: no prebuilt addon works with linux-${process.arch} and Node.js ${process.version} here, ` +
      `and building one failed for the reason above. That takes Python 3, make, a C++17 compiler and ` +
      `the kernel's headers (Debian, Ubuntu: apt-get install python3 make g++; Alpine: apk add ` +
      `python3 make g++ linux-headers). To go without the addon, install with --ignore-scripts: ` +
      `import works then, and every call rejects with ERR_IPVS_LOAD.\n`,
  );
  process.exitCode = 1;
}
