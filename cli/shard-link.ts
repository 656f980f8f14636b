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

/**
 * Runs `work` with a link. Each request has a connection of its own: it costs a handshake, and no request ever waits on a
 * connection to a process that was killed meanwhile.
 */
export async function withShards<T>(layout: LocalLayout, work: (link: ShardLink) => Promise<T>): Promise<T> {
  const resolve = createResolver(layout.hostsFile)
  const tls = readTlsMaterial(join(layout.secretsDir, 'cli'))
  const addressing = { hostPattern: `{mailNode}-{member}.{mailNode}.${NAMESPACE}.svc`, pod: null, socketDir: null }
  return await work({
    async ask({ shard, member }, frameType, payload, patienceMs) {
      const name = toShardName(shard)
      const dialer = createDialer({ tls: () => tls, resolve, clock: nodeClock })
      const giveUp = new AbortController()
      const late = sleep(nodeClock, patienceMs, giveUp.signal).then(() => {
        throw new Error(`no answer in ${patienceMs} ms`)
      })
      late.catch(() => {})
      const asking = dialer
        .dial(replicaAddress(addressing, name, member))
        .then((stream) => new RpcClient(stream, { shard: name, caller: 'cli' }, () => {}).request(frameType, payload))
      asking.catch(() => {}) // may fail after the patience is over
      try {
        return await Promise.race([asking, late])
      } finally {
        giveUp.abort(new Error('all is said'))
        dialer.close()
      }
    },
  })
}
