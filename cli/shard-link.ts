/** Requests to replicas, over the links that all of Twinpost's processes use, with the certificate of the role cli. */
import { join } from 'node:path'
import { replicaAddress } from '#lib/link/address.ts'
import { createDialer } from '#lib/link/dialer.ts'
import { RpcClient } from '#lib/link/rpc-client.ts'
import { toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { createResolver } from '#lib/platform/resolver.ts'
import { sleep } from '#lib/ports/clock.ts'
import { readTlsMaterial } from '#lib/tls/material.ts'
import type { LocalLayout } from '#operator/api/local-layout.ts'
import type { ReplicaName } from './members.ts'

const NAMESPACE = 'default'

export interface ShardLink {
  /** One request and its answer. @throws when the replica refuses, cannot be reached, or has not answered within `patienceMs` */
  ask(replica: ReplicaName, frameType: number, payload: readonly Uint8Array[], patienceMs: number): Promise<Buffer>
}

/** Runs `work` with a link and closes what it opened. */
export async function withShards<T>(layout: LocalLayout, work: (link: ShardLink) => Promise<T>): Promise<T> {
  const dialer = createDialer({
    tls: () => readTlsMaterial(join(layout.secretsDir, 'cli')),
    resolve: createResolver(layout.hostsFile),
    clock: nodeClock,
  })
  const addressing = { hostPattern: `{mailNode}-{member}.{mailNode}.${NAMESPACE}.svc`, pod: null, socketDir: null }
  const once = async (
    { shard, member }: ReplicaName,
    frameType: number,
    payload: readonly Uint8Array[],
  ): Promise<Buffer> => {
    const name = toShardName(shard)
    const stream = await dialer.dial(replicaAddress(addressing, name, member))
    const client = new RpcClient(stream, { shard: name, caller: 'cli' }, () => {})
    try {
      return await client.request(frameType, payload)
    } finally {
      client.close()
    }
  }
  try {
    return await work({
      async ask(replica, frameType, payload, patienceMs) {
        const giveUp = new AbortController()
        const late = sleep(nodeClock, patienceMs, giveUp.signal).then(() => {
          throw new Error(`no answer in ${patienceMs} ms`)
        })
        late.catch(() => {})
        const asking = once(replica, frameType, payload)
        asking.catch(() => {}) // may fail after the patience is over
        try {
          return await Promise.race([asking, late])
        } finally {
          giveUp.abort(new Error('all is said'))
        }
      },
    })
  } finally {
    dialer.close()
  }
}
