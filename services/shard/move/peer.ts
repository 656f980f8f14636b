/** The other shard, as the source of a move sees it. Real: `link-peers.ts`. */
import type { MoveAnswer, MoveAsk } from '#lib/frames/move.ts'
import type { ShardName } from '#lib/mail/types.ts'

export interface MovePeer {
  /** Both may be repeated. @throws {Error} whatever keeps the primary of the shard from answering: it is tried again */
  ask(question: MoveAsk): Promise<MoveAnswer>
  copy(batch: readonly Uint8Array[]): Promise<MoveAnswer>
}

export type MovePeers = (shard: ShardName) => MovePeer
