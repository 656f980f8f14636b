/**
 * Where a shard's replicas can be reached. In the same pod that is a unix socket in a folder which both containers mount;
 * from another pod it is mutual TLS on the member's stable name. Names come from one pattern, so nobody needs a registry.
 */
import { type ShardName, splitShardName } from '#lib/mail/types.ts'

export type LinkAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number }

/** First port of the shards of a pod: shard index i listens on `SHARD_PORT_BASE + i`. */
export const SHARD_PORT_BASE = 7100
export const MEMBERS_PER_MAILNODE = 2

export interface ShardAddressing {
  /** As `{mailNode}-{member}.{mailNode}.default.svc`. */
  readonly hostPattern: string
  /** The pod this process runs in (`n1-0`), or null outside of pods. */
  readonly pod: string | null
  /** Folder of the pod's unix sockets, or null outside of pods. */
  readonly socketDir: string | null
}

export function shardSocketPath(socketDir: string, shard: ShardName): string {
  return `${socketDir}/shard-${splitShardName(shard).index}.sock`
}

/** Address of the replica of `shard` on member `member` (0 or 1). */
export function replicaAddress(addressing: ShardAddressing, shard: ShardName, member: number): LinkAddress {
  const { mailNode, index } = splitShardName(shard)
  if (addressing.socketDir !== null && addressing.pod === `${mailNode}-${member}`) {
    return { kind: 'unix', path: shardSocketPath(addressing.socketDir, shard) }
  }
  const host = addressing.hostPattern.replaceAll('{mailNode}', mailNode).replaceAll('{member}', String(member))
  return { kind: 'tls', host, port: SHARD_PORT_BASE + index }
}

/** The member that a shard prefers as primary: shards alternate, so that both members work. */
export function preferredMember(shard: ShardName): number {
  return splitShardName(shard).index % MEMBERS_PER_MAILNODE
}

export function addressText(address: LinkAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`
}
