/** Port `Shards` over links: finds the primary and asks. What cannot be done now is done at the next delivery. */
import { Buffer } from 'node:buffer'
import { MoveReport } from '#lib/frames/move.ts'
import { encodeSessionsEnd, FrameType } from '#lib/frames/shard-protocol.ts'
import { RefusedError } from '#lib/link/rpc-client.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import { type ShardName, toShardName } from '#lib/mail/types.ts'
import { MOVES_FOLLOWED_MAX } from './limits.ts'
import type { Shards } from './ports.ts'

export function createShards(router: ShardRouter, patienceMs: number): Shards {
  return {
    async tell(home, command) {
      const payload = Buffer.from(JSON.stringify(command))
      let shard = home
      for (let moves = 0; ; moves++) {
        try {
          await router.withPrimary(shard, patienceMs, (rpc) => rpc.request(FrameType.accountCommand, [payload]))
          return
        } catch (error) {
          // The directory is told last: until then the shard says where the account is.
          const target = movedTo(error)
          if (target === null || moves >= MOVES_FOLLOWED_MAX) throw error
          shard = target
        }
      }
    },
    async move(home, order) {
      const payload = Buffer.from(JSON.stringify(order))
      try {
        const answer = await router.withPrimary(home, patienceMs, (rpc) => rpc.request(FrameType.moveOrder, [payload]))
        const { moves } = MoveReport.parse(JSON.parse(answer.toString('utf8')))
        const progress = moves.at(-1)
        return progress === undefined ? { kind: 'none' } : { kind: 'under-way', progress }
      } catch (error) {
        const target = movedTo(error)
        if (target !== null) return { kind: 'elsewhere', home: target }
        if (error instanceof RefusedError) return { kind: 'refused', message: error.message }
        throw error
      }
    },
    async endSessions(home, account, reason) {
      const payload = encodeSessionsEnd(account, reason)
      await router.withPrimary(home, patienceMs, (rpc) => rpc.request(FrameType.sessionsEnd, [payload]))
    },
  }
}

function movedTo(error: unknown): ShardName | null {
  if (!(error instanceof RefusedError)) return null
  const { reason, target } = error.refusal
  return reason === 'moved' && target !== null ? toShardName(target) : null
}
