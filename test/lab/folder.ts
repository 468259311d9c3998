// A folder for the files of one test.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

interface Test {
  teardown(work: () => void | Promise<void>): void;
}

/**
 * A new folder, which is removed when the test ends. Not tap's, whose name is the test's: guests of the
 * lab run the same tests at the same time, and the host's disk is that of all of them. /run is not.
 */
export function freshFolder(t: Test): string {
  const path = mkdtempSync(join('/run', 'ipvs-test-'));
  t.teardown(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}
