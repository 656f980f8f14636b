/** Port `Shards` over links: finds the primary, asks, follows nothing: what cannot be done now is done at the next delivery. */
import { Buffer } from 'node:buffer'
import { encodeSessionsEnd, FrameType } from '#lib/frames/shard-protocol.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import type { Shards } from './ports.ts'

export function createShards(router: ShardRouter, patienceMs: number): Shards {
  return {
    async tell(home, command) {
      const payload = Buffer.from(JSON.stringify(command))
      await router.withPrimary(home, patienceMs, (rpc) => rpc.request(FrameType.accountCommand, [payload]))
    },
    async endSessions(home, account, reason) {
      const payload = encodeSessionsEnd(account, reason)
      await router.withPrimary(home, patienceMs, (rpc) => rpc.request(FrameType.sessionsEnd, [payload]))
    },
  }
}
