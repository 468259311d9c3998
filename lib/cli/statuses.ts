// What exit statuses mean, for the manual page and docs/cli.md.

import { Exit } from './failure.js';

export const STATUS_MEANINGS: readonly (readonly [status: number, meaning: string])[] = [
  [Exit.done, 'it was done'],
  [Exit.no, 'the answer is no: diff found differences, probe and doctor that something is wrong'],
  [Exit.usage, 'the command line, a value in it or a file makes no sense; nothing was changed'],
  [Exit.exists, 'it is there already (EEXIST)'],
  [Exit.missing, 'it is not there (ESRCH, ENOENT, ENODEV)'],
  [Exit.forbidden, 'it is not permitted (EPERM, EACCES)'],
  [
    Exit.unavailable,
    'this system has no IPVS, or the kernel lacks a scheduler, an engine or IPv6 ' +
      '(ERR_IPVS_UNAVAILABLE, ERR_IPVS_SCHEDULER, ERR_IPVS_ENGINE, …)',
  ],
  [Exit.late, 'it was not done in time: ERR_IPVS_TIMEOUT, or drain found connections left'],
  [Exit.unknown, 'it was sent, but the answer was lost: look what came of it'],
  [Exit.failed, 'the kernel refused it, or anything else'],
];
