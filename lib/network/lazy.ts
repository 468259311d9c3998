// What a handle is made of is loaded with the first one: most programs have none.

import type * as Parts from './parts.js';

let loaded: typeof Parts | undefined;

export function parts(): typeof Parts {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- only now that it is needed
  loaded ??= require('./parts.js') as typeof Parts;
  return loaded;
}
