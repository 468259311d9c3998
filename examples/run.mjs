// What the examples have in common: a cluster, and what is to be done on this machine.
//
//   node examples/dr.mjs NODE [plan | shell | apply | check | revert]

import process from 'node:process';

/** @param {import('ipvs/cluster').Cluster} cluster */
export async function run(cluster) {
  const [name = '', action = 'plan'] = process.argv.slice(2);
  if (!cluster.nodes.includes(name)) {
    console.error(`Say which node this is: ${cluster.nodes.join(', ')}.`);
    process.exitCode = 2;
    return;
  }
  const node = cluster.node(name);
  try {
    switch (action) {
      case 'plan':
        process.stdout.write(String(await node.plan()));
        break;
      case 'shell':
        process.stdout.write((await node.plan()).toShell());
        break;
      case 'apply':
        await node.apply({
          onProgress: ({ done, total, change }) =>
            console.log(`${done}/${total} ${change.description}`),
        });
        break;
      case 'check':
        for (const { severity, code, explanation } of await node.check()) {
          console.log(`${severity} ${code}: ${explanation}`);
        }
        break;
      case 'revert': {
        const { reverted, kept } = await node.revert();
        for (const { description } of reverted) console.log(description);
        for (const { change, reason } of kept)
          console.log(`Kept: ${change.description} ${reason}.`);
        break;
      }
      default:
        console.error(`There is no ${action}, only plan, shell, apply, check and revert.`);
        process.exitCode = 2;
    }
  } catch (error) {
    const { message, hint } = /** @type {Error & { hint?: string }} */ (error);
    console.error(message);
    if (hint !== undefined) console.error(hint);
    process.exitCode = 1;
  } finally {
    await node.close();
  }
}
