// What each node of a cluster should be like. Nothing here looks at the node itself.

import { directorWants } from './director.js';
import type { Model, ModelNode } from './model.js';
import { realServerWants } from './real-server.js';
import { routerWants } from './router.js';
import { keyOf } from './resources.js';
import { sysctl } from './wanted.js';
import type { Facts, Wanted } from './wanted.js';
import { sideWants } from './side.js';

/** All settings of a node, in the order in which they are safe to make. */
export function desired(model: Model, node: ModelNode, facts: Facts): Wanted[] {
  const { roles } = node;
  const wanted: Wanted[] = [
    ...sideWants(node),
    ...(roles.has('router') ? routerWants(model, node, facts) : []),
    // Before the director's part: on a node that is both, the virtual address goes to one of two places.
    ...(roles.has('real-server') ? realServerWants(model, node, facts) : []),
    ...(roles.has('director') ? directorWants(model, node, facts) : []),
    ...node.sysctls.map(([name, value]): Wanted => ({
      resource: sysctl(name),
      value,
      reason: `nodes.${node.name}.sysctl asks for it`,
      asked: true,
    })),
  ];
  return devicesFirst(once(wanted));
}

// They do nothing as long as they are down. A kernel that can't make them says so here, when nothing
// else was changed yet.
function devicesFirst(wanted: readonly Wanted[]): Wanted[] {
  const isDevice = ({ resource }: Wanted): boolean =>
    resource.kind === 'link' || resource.kind === 'fou-port';
  return [...wanted.filter(isDevice), ...wanted.filter((each) => !isDevice(each))];
}

/** Several roles may ask for the same. */
function once(wanted: readonly Wanted[]): Wanted[] {
  const found = new Map<string, Wanted>();
  for (const each of wanted) {
    const key = keyOf(each.resource);
    // What the description asks for by name goes before what a role would choose.
    if (!found.has(key) || each.asked === true) found.set(key, each);
  }
  return [...found.values()];
}
