// What a user gets: the tarball, packed as it is published, installed into an empty project.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import t from 'tap';

t.setTimeout(1_800_000);

const root = join(__dirname, '..');
const programs = join(root, 'test', 'package');
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ipvs-package-')));
t.teardown(() => rmSync(folder, { recursive: true }));

const project = join(folder, 'project');
const prebuilt = join('prebuilds', `linux-${process.arch}`, 'ipvs.glibc.node');

const { env } = process;
// No compiler in PATH, nor anything else but Node.js, npm and the shell that npm starts scripts with.
const bare = { ...env, PATH: join(folder, 'bin') };

interface Result {
  readonly status: number | null;
  readonly output: string;
}

/** Both outputs and the exit status; never throws for what the program does. */
function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Result {
  const { cwd = project, env: variables = bare } = options;
  // tap gives every child process a loader by way of NODE_OPTIONS: `env` takes it away again.
  const { status, signal, stdout, stderr, error } = spawnSync(
    '/usr/bin/env',
    ['-u', 'NODE_OPTIONS', command, ...args],
    { cwd, env: variables, encoding: 'utf8' },
  );
  if (error) throw error;
  return { status, output: stdout + stderr + (signal ?? '') };
}

/** The same for what has to succeed. */
function must(...[command, args, options]: Parameters<typeof run>): string {
  const { status, output } = run(command, args, options);
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${output}`);
  return output;
}

function which(command: string): string {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map((path) => join(path, command))
    .find((file) => existsSync(file));
  if (found === undefined) throw new Error(`this test needs ${command} in PATH`);
  return realpathSync(found);
}

/** A fresh checkout's files, without what was built in it. */
function checkout(): string {
  const to = join(folder, 'checkout');
  const built = ['build', 'dist', 'dist-test', 'native/build', 'node_modules', 'prebuilds'];
  const left = new Set(['.git', '.tap', ...built].map((path) => join(root, path)));
  cpSync(root, to, { recursive: true, filter: (source) => !left.has(source) });
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'));
  return to;
}

/** Another project with the package, to be damaged at will. */
function copyOfProject(name: string): { project: string; installed: string } {
  const copy = join(folder, name.replaceAll(/\W/g, '-'));
  cpSync(project, copy, { recursive: true });
  return { project: copy, installed: join(copy, 'node_modules', 'ipvs') };
}

interface FirstCall {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
  readonly addons: readonly string[];
}

function firstCall(cwd: string, ...nodeArgs: string[]): FirstCall {
  const args = [...nodeArgs, join(cwd, 'first-call.js')];
  return JSON.parse(must('node', args, { cwd })) as FirstCall;
}

const asModule = '--input-type=module';

/** What `require` and `import` of the package print: nothing. */
function importing(cwd: string): Result[] {
  return [
    run('node', ['-e', 'require("ipvs")'], { cwd }),
    run('node', [asModule, '-e', 'import "ipvs"'], { cwd }),
  ];
}
const silent = [
  { status: 0, output: '' },
  { status: 0, output: '' },
];

function filesIn(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort();
}

t.before(() => {
  mkdirSync(bare.PATH);
  symlinkSync(process.execPath, join(bare.PATH, 'node'));
  symlinkSync(which('npm'), join(bare.PATH, 'npm'));
  symlinkSync('/bin/sh', join(bare.PATH, 'sh'));

  must('npm', ['pack', `--pack-destination=${folder}`], { cwd: checkout(), env });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? 'no tarball';

  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "app", "private": true }');
  const quiet = ['--prefer-offline', '--fetch-retries=5', '--no-audit', '--no-fund'];
  must('npm', ['install', '--ignore-scripts', ...quiet, join(folder, tarball)], { cwd: project });
  for (const name of readdirSync(programs).filter((name) => name.endsWith('js'))) {
    cpSync(join(programs, name), join(project, name));
  }
});

// Catches a `files` that forgets a source, so that nobody can build, or that publishes tests.
t.test(
  'the tarball holds the library, its sources and the prebuilt file, and nothing else',
  (t) => {
    const packed = filesIn(join(project, 'node_modules', 'ipvs'));
    const inRoot = (path: string) => filesIn(join(root, path)).map((file) => join(path, file));
    const compiled = filesIn(join(root, 'lib')).flatMap((file) => {
      const name = join('dist', file.slice(0, -'.ts'.length));
      return [`${name}.d.ts`, `${name}.js`];
    });
    t.strictSame(packed, [
      ...['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md'],
      'binding.gyp',
      ...compiled.sort(),
      ...inRoot('docs').filter((file) => /^docs\/[^/]*\.md$/.test(file)),
      'man/ipvs.1',
      ...inRoot('native/addon'),
      ...inRoot('native/core'),
      'package.json',
      prebuilt,
      'scripts/install.js',
    ]);
    t.end();
  },
);

t.test('publint has nothing to say about it', async (t) => {
  const { publint } = await import('publint');
  const pkgDir = join(project, 'node_modules', 'ipvs');
  const { messages } = await publint({ pkgDir, pack: false, strict: true });
  t.strictSame(messages, []);
});

// Catches exports that Node.js does not see in CommonJS when it is imported, and a package.json that
// tools can't read.
t.test('require and import give the same names', (t) => {
  const list = 'console.log(Object.keys(ipvs).sort().join(" "))';
  const required = must('node', ['-e', `const ipvs = require("ipvs"); ${list}`]);
  const imported = must('node', [asModule, '-e', `import * as ipvs from "ipvs"; ${list}`]);
  const added = / ?(\b__esModule|\bdefault|\bmodule\.exports)\b/g; // by Node.js
  t.equal(imported.replaceAll(added, ''), required);
  t.match(required, /\bIpvs IpvsError\b.*\baddDestination addService\b/);
  t.strictSame(importing(project), silent);

  const manifest = must('node', ['-p', 'require("ipvs/package.json").name']);
  t.equal(manifest, 'ipvs\n');
  const asserted = 'import p from "ipvs/package.json" with { type: "json" }; console.log(p.name)';
  t.match(must('node', [asModule, '-e', asserted]), /^ipvs\n/);
  t.end();
});

// Catches a prebuilt file under another name than the one that is looked for: every installation
// would compile, and fail where it can't.
t.test('the prebuilt file loads, with neither scripts nor a compiler', (t) => {
  const call = firstCall(project);
  t.strictSame(call.addons, [join(project, 'node_modules', 'ipvs', prebuilt)]);
  t.notMatch(call.code ?? '', /ERR_IPVS_LOAD|ERR_IPVS_PLATFORM/);
  t.notOk(readFileSync(call.addons[0] ?? '').includes('.symtab'), 'it is stripped');
  t.end();
});

// Catches an order in which those who build for themselves get somebody else's file.
t.test('a local build is taken before the prebuilt file', (t) => {
  const { project, installed } = copyOfProject('local build');
  mkdirSync(join(installed, 'build', 'Release'), { recursive: true });
  cpSync(join(installed, prebuilt), join(installed, 'build', 'Release', 'ipvs.node'));
  t.strictSame(firstCall(project).addons, [join(installed, 'build', 'Release', 'ipvs.node')]);
  t.end();
});

// Catches an addon that is loaded by `import`, a crash (a file that was cut short raises SIGBUS when
// it is loaded), and an error that leaves the user alone.
t.test('where the addon is unusable, import is silent and calls say what to do', (t) => {
  const damages: Record<string, (file: string) => void> = {
    'it is missing': (file) => rmSync(file),
    'it is empty': (file) => truncateSync(file, 0),
    'it is garbage': (file) => writeFileSync(file, 'garbage'.repeat(1000)),
    'it was cut short': (file) => truncateSync(file, 100_000),
    'its last byte is missing': (file) => truncateSync(file, statSync(file).size - 1),
    'it is a program': (file) => cpSync(realpathSync('/bin/sh'), file),
  };
  for (const [name, damage] of Object.entries(damages)) {
    const { project, installed } = copyOfProject(name);
    damage(join(installed, prebuilt));
    t.strictSame(importing(project), silent, name);
    t.match(firstCall(project), {
      name: 'IpvsError',
      code: 'ERR_IPVS_LOAD',
      message: /^load: the native addon can't be loaded: .*[^:] \(ERR_IPVS_LOAD\)$/,
      hint: 'npm rebuild ipvs',
    });
  }
  t.end();
});

// Catches a command that is not installed, or that needs what is not in the tarball.
t.test('the command is there, with its manual page', (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const command = join('node_modules', '.bin', 'ipvs');
  t.equal(must(command, ['--version']), `${version}\n`);
  t.match(must(command, ['add', 'server', '--help']), /^Usage: ipvs add server /);
  t.equal(must(command, ['help', '--man']), readFileSync(join(root, 'man', 'ipvs.1'), 'utf8'));
  t.match(run(command, ['add', 'service', 'tcp', '10.0.0.1']), {
    status: 2,
    output: 'has no port',
  });
  t.end();
});

// Catches requests written for an addon of another version: the kernel would be told nonsense. And
// records read from one: the caller would be.
t.test('an addon of another version is refused', (t) => {
  for (const other of ['./other-requests.js', './other-rows.js']) {
    t.match(
      firstCall(project, '-r', other),
      {
        code: 'ERR_IPVS_LOAD',
        message: 'built from another version',
        hint: 'npm rebuild ipvs',
      },
      other,
    );
  }
  t.end();
});

// Catches developers on other systems who can't even import what they write for Linux.
t.test('off Linux, import is silent and calls say so', (t) => {
  const { project, installed } = copyOfProject('off Linux');
  rmSync(join(installed, 'prebuilds'), { recursive: true });
  const cwd = { cwd: project };
  const quiet = run('node', ['-r', './on-darwin.js', '-e', 'require("ipvs")'], cwd);
  t.strictSame(quiet, { status: 0, output: '' });
  const call = firstCall(project, '-r', './on-darwin.js');
  t.match(call, { name: 'IpvsError', code: 'ERR_IPVS_PLATFORM', message: 'darwin', hint: 'Linux' });
  t.strictSame(call.addons, []);
  t.end();
});

// Each of these installs wherever it is wanted, or says why not.
t.test('the install script', (t) => {
  const script = join('node_modules', 'ipvs', 'scripts', 'install.js');

  t.test('does nothing where the prebuilt file loads', (t) => {
    t.strictSame(run('node', [script]), { status: 0, output: '' });
    t.notOk(existsSync(join(project, 'node_modules', 'ipvs', 'build')));
    t.end();
  });

  t.test('does nothing off Linux', (t) => {
    const { project, installed } = copyOfProject('install off Linux');
    rmSync(join(installed, prebuilt));
    const result = run('node', ['-r', './on-darwin.js', script], { cwd: project, env });
    t.strictSame(result, { status: 0, output: '' });
    t.notOk(existsSync(join(installed, 'build')));
    t.end();
  });

  t.test('fails where it would have to build and cannot, and says what it takes', (t) => {
    const { project, installed } = copyOfProject('install without compiler');
    rmSync(join(installed, prebuilt));
    const result = run('npm', ['rebuild', 'ipvs', '--foreground-scripts'], { cwd: project });
    t.not(result.status, 0);
    t.match(result.output, /ipvs: no prebuilt addon works .* g\+\+.*--ignore-scripts/);
    t.end();
  });

  t.test('builds where the prebuilt file does not load', (t) => {
    const { project, installed } = copyOfProject('install with compiler');
    truncateSync(join(installed, prebuilt), 1000);
    // Whether it builds, not how fast it is.
    const quickly = { ...env, CXXFLAGS: '-O0' };
    must('npm', ['rebuild', 'ipvs', '--foreground-scripts'], { cwd: project, env: quickly });
    t.strictSame(firstCall(project).addons, [join(installed, 'build', 'Release', 'ipvs.node')]);
    t.end();
  });
  t.end();
});

// Catches a package that loads and then does not work: where there is IPVS, and where there is none.
t.test('on a kernel with IPVS, a first program adds, lists and removes a service', (t) => {
  const output = must(
    join(root, 'scripts', 'kernel-lab'),
    ['--kernel', '6.12', '--', 'env', `PATH=${bare.PATH}`, 'node', 'service.mjs'],
    { env },
  );
  t.equal(output, "[ '192.0.2.1 rr' ]\n[ '127.0.0.2 8080 3' ]\ntrue ESRCH []\n");
  t.end();
});

t.test('on a kernel without IPVS, a call says how to get it', (t) => {
  const output = must(
    join(root, 'scripts', 'kernel-lab'),
    ['--no-ipvs', '--', 'env', `PATH=${bare.PATH}`, 'node', 'first-call.js'],
    { env },
  );
  t.match(JSON.parse(output), { code: 'ERR_IPVS_UNAVAILABLE', hint: 'modprobe ip_vs' });
  t.end();
});

// Catches declarations that only compile in this repository: with its types, its library, its module
// setting, or with skipLibCheck. consumer.ts itself catches types that let mistakes pass.
t.test('a TypeScript program compiles', (t) => {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const classic = { moduleResolution: 'node10', ignoreDeprecations: '6.0' };
  const settings = [
    { extensions: ['cts', 'mts'], options: { module: 'nodenext' } },
    { extensions: ['cts', 'mts'], options: { module: 'node20' } },
    { extensions: ['ts'], options: { module: 'commonjs', ...classic } },
    { extensions: ['ts'], options: { module: 'esnext', moduleResolution: 'bundler' } },
  ];
  const { project } = copyOfProject('TypeScript');
  const compile = (types: readonly string[]) => {
    for (const { extensions, options } of settings) {
      const files = extensions.map((extension) => `consumer-${extension}.${extension}`);
      for (const file of files) cpSync(join(programs, 'consumer.ts'), join(project, file));
      const compilerOptions = {
        ...options,
        types,
        target: 'es2022',
        lib: ['es2022'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
      };
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
      const name = `module ${options.module}, types ${JSON.stringify(types)}`;
      t.strictSame(run('node', [tsc], { cwd: project }), { status: 0, output: '' }, name);
    }
  };

  compile([]);
  for (const name of ['@types/node', 'undici-types']) {
    const path = join('node_modules', name);
    cpSync(join(root, path), join(project, path), { recursive: true });
  }
  compile(['node']);
  t.end();
});

// Catches a check that lets everything pass: then the first to learn of it is a user with an older
// system, whose Node.js can't load the file.
t.test('scripts/check-glibc refuses what older systems lack', (t) => {
  const check = (file: string) => run(join(root, 'scripts', 'check-glibc'), [file], { env });
  const good = check(join(project, 'node_modules', 'ipvs', prebuilt));
  t.match(good, { status: 0, output: /needs glibc 2\.\d+, and may need 2\.28\n$/ });

  const compile = (name: string, source: string, ...flags: string[]) => {
    const file = join(folder, name);
    writeFileSync(`${file}.cc`, source);
    must('g++', ['-shared', '-fPIC', '-o', file, `${file}.cc`, ...flags], { cwd: folder, env });
    return check(file);
  };
  const refused = (output: RegExp) => ({ status: 1, output });
  t.match(
    compile('runtime', '#include <string>\nstd::string f(int i) { return std::to_string(i); }'),
    refused(/the library libstdc\+\+\.so\.6\n(.*\n)*.*the symbol _Z\w+@GLIBCXX_3\.4/),
  );
  t.match(
    compile('engine', 'extern "C" int uv_version(); int f() { return uv_version(); }'),
    refused(/the symbol uv_version, which/),
  );
  // A C library of the future, to link with.
  writeFileSync(join(folder, 'versions'), 'GLIBC_2.99 { global: future; };');
  const future = ['-Wl,--version-script=versions', '-Wl,-soname,libc.so.6'];
  compile('libfuture.so', 'extern "C" int future() { return 1; }', ...future);
  t.match(
    compile('newer', 'extern "C" int future(); int f() { return future(); }', './libfuture.so'),
    refused(/the symbol future@GLIBC_2\.99\n/),
  );
  t.match(
    compile(
      'relr',
      '#include <stdlib.h>\nvoid (*f)() = abort; void (**g)() = &f;',
      '-Wl,-z,pack-relative-relocs',
    ),
    refused(/the version GLIBC_ABI_DT_RELR\n/),
  );
  t.match(compile('nothing', 'int i;', '-nostdlib'), refused(/is not an addon/));
  t.match(check(join(root, 'package.json')), refused(/is not an addon/));
  t.end();
});
