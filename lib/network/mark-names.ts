// How marks are named in nf_tables: what this library makes and what a shell script makes with nft is
// the same, and each takes back what the other has made.

/** Nobody else has a table of that name; native/core/nftables.cc has it too. */
export const NFT_TABLE = 'ipvs_marks';

/** What is marked, but for the ports. */
export interface Marked {
  /** '10.0.0.1', or a network: '10.0.0.0/8'. */
  readonly address: string;
  readonly protocol: string;
  readonly mark: number;
}

/** The chain: one for each address, protocol and mark, so that it can be taken away by its name. */
export function chainOf({ address, protocol, mark }: Marked): string {
  return `mark_${mark}_${protocol}_${address.replaceAll(':', '_')}`;
}

/** What a rule is known by: the comment at it. `ports`: '80' or '80-90', undefined for every port. */
export function noteOf({ address, protocol, mark }: Marked, ports: string | undefined): string {
  return `ipvs ${protocol} ${address}${ports === undefined ? '' : ` ${ports}`} mark ${mark}`;
}
