/** Port `MovePeer` over the links between shards, to whichever member is primary. */

import { fillFrames } from '#lib/frames/frame-filler.ts'
import { MoveAnswer } from '#lib/frames/move.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import { PATIENCE_MS } from './limits.ts'
import type { MovePeers } from './peer.ts'

export function linkPeers(router: ShardRouter): MovePeers {
  return (shard) => ({
    ask: (question) =>
      router.withPrimary(shard, PATIENCE_MS, async (rpc) =>
        answerOf(await rpc.request(FrameType.moveAsk, [Buffer.from(JSON.stringify(question))])),
      ),
    copy: (batch) =>
      router.withPrimary(shard, PATIENCE_MS, async (rpc) => {
        const frames = [...fillFrames(batch)]
        const [first = []] = frames
        const request = rpc.open(frames.length === 1 ? FrameType.moveEnd : FrameType.moveData, first)
        request.answer.catch(() => {}) // heard below, also when it comes before the last frame is out
        for (let i = 1; i < frames.length; i++) {
          await request.send(i === frames.length - 1 ? FrameType.moveEnd : FrameType.moveData, frames[i] ?? [])
        }
        return answerOf(await request.answer)
      }),
  })
}

function answerOf(payload: Buffer): MoveAnswer {
  return MoveAnswer.parse(JSON.parse(payload.toString('utf8')))
}
