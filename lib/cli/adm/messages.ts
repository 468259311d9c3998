// What ipvsadm says when the kernel refuses something.

import { constants } from 'node:os';
import { Fault } from '../../native.js';
import type { NativeFailure } from '../../native.js';
import type { CommandName } from '../../rules/command.js';

const { ENOENT, ESRCH, EEXIST, EPERM, EINVAL, ENOPROTOOPT, ENOMEM, EOPNOTSUPP } = constants.errno;
const { EAFNOSUPPORT, EMSGSIZE, ERANGE, ENODEV, EBUSY, EADDRNOTAVAIL } = constants.errno;
const { ENETUNREACH, EACCES, ENOBUFS, EFAULT } = constants.errno;

/** What was asked of the kernel. */
export type Asked = CommandName | 'read';

type Messages = Readonly<Record<number, string>>;

const NO_SERVICE: Messages = { [ESRCH]: 'No such service' };
const NO_MODULE: Messages = { [ENOENT]: 'Scheduler or persistence engine not found' };
const NO_DESTINATION: Messages = {
  [ESRCH]: 'Service not defined',
  [ENOENT]: 'No such destination',
};

const OF_COMMAND: Readonly<Partial<Record<Asked, Messages>>> = {
  'add-service': { ...NO_MODULE, [EEXIST]: 'Service already exists' },
  'edit-service': { ...NO_MODULE, ...NO_SERVICE },
  'delete-service': NO_SERVICE,
  zero: NO_SERVICE,
  'add-server': { [ESRCH]: 'Service not defined', [EEXIST]: 'Destination already exists' },
  'edit-server': NO_DESTINATION,
  'delete-server': NO_DESTINATION,
  'start-daemon': { [EEXIST]: 'Daemon has already run' },
  'stop-daemon': { [ESRCH]: 'No daemon is running' },
  read: NO_SERVICE,
};

const OF_ANY: Messages = {
  [EPERM]: 'Permission denied (you must be root)',
  [EINVAL]: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  [ENOPROTOOPT]: 'Protocol not available',
  [ENOMEM]: 'Memory allocation problem',
  [EOPNOTSUPP]: 'Operation not supported with IPv6',
  [EAFNOSUPPORT]: 'Operation not supported with specified address family',
  [EMSGSIZE]: 'Module is wrong version',
  // From here on as the C library says it.
  [ENOENT]: 'No such file or directory',
  [ESRCH]: 'No such process',
  [EEXIST]: 'File exists',
  [ERANGE]: 'Numerical result out of range',
  [ENODEV]: 'No such device',
  [EBUSY]: 'Device or resource busy',
  [EADDRNOTAVAIL]: 'Cannot assign requested address',
  [ENETUNREACH]: 'Network is unreachable',
  [EACCES]: 'Permission denied',
  [ENOBUFS]: 'No buffer space available',
  [EFAULT]: 'Bad address',
};

/** The sentence for a failure of what was asked. */
export function messageOf({ fault, errno }: NativeFailure, asked: Asked): string {
  if (fault === Fault.unavailable) return OF_ANY[ENOPROTOOPT] ?? '';
  if (errno === 0) return 'the kernel did not answer'; // where ipvsadm waits for ever
  return OF_COMMAND[asked]?.[errno] ?? OF_ANY[errno] ?? `Unknown error ${errno}`;
}
