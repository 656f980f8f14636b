/** Frames of moves: orders of administrators, questions and copies of the shard that an account leaves. */
import { FrameError } from '#lib/frames/codec.ts'
import { MoveAsk, MoveOrder } from '#lib/frames/move.ts'
import { type ShardName, splitShardName } from '#lib/mail/types.ts'
import type { PeerIdentity } from '#lib/tls/roles.ts'
import { StoreError } from '../errors.ts'
import type { MailStore } from '../mailbox/mod.ts'
import { decodeBatch } from '../move/batch.ts'
import { BATCH_BYTES_MAX } from '../move/limits.ts'
import type { Moves } from '../move/moves.ts'

/** Copies that one stream may have under way: a shard sends one piece of each of its moves at a time. */
const OPEN_COPIES_MAX = 64

export async function serveMoveOrder(payload: Buffer, store: MailStore): Promise<Buffer> {
  const order = MoveOrder.parse(JSON.parse(payload.toString('utf8')))
  return Buffer.from(JSON.stringify(await movesOf(store).order(order)))
}

export async function serveMoveAsk(payload: Buffer, store: MailStore, peer: PeerIdentity): Promise<Buffer> {
  const question = MoveAsk.parse(JSON.parse(payload.toString('utf8')))
  checkMember(peer, question.source)
  return Buffer.from(JSON.stringify(await movesOf(store).ask(question)))
}

/** Pieces of copies that come in, by request. Each is whole in memory before anything of it counts. */
export class OpenCopies {
  readonly #open = new Map<number, { readonly pieces: Buffer[]; bytes: number }>()

  /** @throws {FrameError} for more than a copy may have */
  data(id: number, payload: Buffer): void {
    const copy = this.#open.get(id) ?? { pieces: [], bytes: 0 }
    copy.pieces.push(Buffer.from(payload)) // the frame is a view of what the socket brought
    copy.bytes += payload.byteLength
    this.#open.set(id, copy)
    if (copy.bytes > BATCH_BYTES_MAX || this.#open.size > OPEN_COPIES_MAX) {
      throw new FrameError(
        'FRAME_MALFORMED',
        `Refused copy ${id}: more than ${BATCH_BYTES_MAX} bytes, or too many at once`,
      )
    }
  }

  async end(id: number, payload: Buffer, store: MailStore, peer: PeerIdentity): Promise<Buffer> {
    const pieces = this.#open.get(id)?.pieces ?? []
    this.#open.delete(id)
    const bytes = Buffer.concat([...pieces, payload])
    checkMember(peer, decodeBatch(bytes).source)
    return Buffer.from(JSON.stringify(await movesOf(store).arrivals.copy(bytes)))
  }
}

function movesOf({ moves }: MailStore): Moves {
  if (moves !== null) return moves
  throw new StoreError('STORE_MOVE', 'Cannot move accounts here: this shard takes no part in moves')
}

/** A member speaks for the shards of its own MailNode only. @throws {FrameError} FRAME_FORBIDDEN */
function checkMember(peer: PeerIdentity, source: ShardName): void {
  const { mailNode } = splitShardName(source)
  if (peer.role === 'member' && /^-[01]$/.test(peer.owner.slice(mailNode.length)) && peer.owner.startsWith(mailNode))
    return
  throw new FrameError('FRAME_FORBIDDEN', `Refused a move from ${source} by ${peer.role} ${peer.owner}`)
}
