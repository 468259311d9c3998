// A whole cluster, described once for all of its nodes.

import { readFile } from 'node:fs/promises';
import { propertyOf } from '../errors.js';
import { nearest, parseDescription } from './description.js';
import { parseYaml } from './document.js';
import { ClusterError } from './errors.js';
import { openMachine } from './kernel-machine.js';
import type { Model } from './model.js';
import { ClusterNode } from './node.js';
import type { NodeOptions } from './node.js';
import type { ClusterDescription } from './types.js';

/** A description that was checked. It opens nothing, and changes nothing. */
export class Cluster {
  readonly #model: Model;

  private constructor(model: Model) {
    this.#model = model;
  }

  /**
   * Checks a description: an object, or the text of a YAML document. Throws a `TypeError` or
   * `RangeError` whose `path` names the place (`nodes.rs1.address`); for YAML a {@link ClusterError}
   * with `ERR_IPVS_DESCRIPTION`, which has the line and the column too.
   */
  static from(description: ClusterDescription | string): Cluster {
    if (typeof description === 'string') return new Cluster(parseYaml(description, 'description'));
    try {
      return new Cluster(parseDescription(description));
    } catch (error) {
      const path = propertyOf(error);
      throw path === undefined ? error : Object.assign(error as Error, { path });
    }
  }

  /**
   * Reads a description from a YAML (or JSON) file. Rejects with `ERR_IPVS_DESCRIPTION`, and with
   * the code of what failed where the file can't be read.
   */
  static async load(file: string): Promise<Cluster> {
    return new Cluster(parseYaml(await readFile(file, 'utf8'), file));
  }

  /** The names of all nodes. */
  get nodes(): readonly string[] {
    return [...this.#model.nodes.keys()];
  }

  /**
   * One of the nodes: the machine that this runs on, or another network namespace of it. Opens
   * nothing yet. Throws `ERR_IPVS_NO_SUCH_NODE`.
   */
  node(name: string, options: NodeOptions = {}): ClusterNode {
    const node = this.#model.nodes.get(name);
    if (node !== undefined) return new ClusterNode(this.#model, node, options, openMachine);
    const near = nearest(name, this.nodes);
    throw new ClusterError(`node ${name}`, {
      code: 'ERR_IPVS_NO_SUCH_NODE',
      sentence: 'the description has no such node',
      hint: near === undefined ? `it has ${this.nodes.join(', ')}` : `did you mean ${near}?`,
    });
  }
}
