// The cluster helper: a node of an LVS cluster, planned, applied, checked and undone.

export { Cluster } from './cluster.js';
export { ClusterNode } from './node.js';
export type { Finding, Mend, NodeOptions } from './node.js';
export type { AnnounceOptions } from './machine.js';
export type { TurnOptions } from './lock.js';
export type { FindingCode, Severity } from './check.js';
export { ClusterError } from './errors.js';
export type { ClusterErrorCode } from './errors.js';
export { Network } from '../network/network.js';
export { Sysctl } from '../network/sysctl.js';
export { NetworkError } from '../errors.js';
export { Plan } from './plan.js';
export type { Change } from './plan.js';
export type { ApplyOptions, ApplyProgress } from './apply.js';
export type { Kept, Reverted, RevertOptions } from './revert.js';
export type {
  AddressResource,
  DestinationResource,
  FouPortResource,
  Kind,
  LinkResource,
  LinkStateResource,
  MarkResource,
  ProxyResource,
  Resource,
  RouteResource,
  RuleResource,
  ServiceResource,
  SnatResource,
  SyncDaemonResource,
  SysctlResource,
} from './resources.js';
export type * from './types.js';
