// The parser of commands asks for names at once, and name servers take their time: it is asked again
// when they have answered.

import { parseCommand } from '../../rules/command.js';
import type { Command } from '../../rules/command.js';
import type { AdmResolver } from './resolver.js';

class NameNeeded extends Error {
  constructor(readonly host: string) {
    super();
  }
}

/** Reads a command whose hosts may have names. */
export async function parseWithNames(
  words: readonly string[],
  resolver: AdmResolver,
): Promise<Command> {
  const known = new Map<string, string | undefined>();
  const address = (host: string): string | undefined => {
    if (!known.has(host)) throw new NameNeeded(host);
    return known.get(host);
  };
  for (;;) {
    try {
      return parseCommand(words, { address, port: (name, of) => resolver.port(name, of) });
    } catch (error) {
      if (!(error instanceof NameNeeded)) throw error;
      known.set(error.host, await resolver.address(error.host));
    }
  }
}
