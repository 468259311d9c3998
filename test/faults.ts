// The files of test/fault, several at once: what they do most of the time is wait for deadlines to pass.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

t.jobs = 4;
const folder = join(__dirname, 'fault');

for (const name of readdirSync(folder).filter((each) => each.endsWith('.js'))) {
  void t.spawn(process.execPath, [join(folder, name)], { buffered: true, timeout: 600_000, name });
}
