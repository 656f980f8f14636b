/** The queue of one shard as a sender sees it: frames to its primary, wherever that is, checked on arrival. */
import {
  QUEUE_READ_BYTES_MAX,
  QueueConfirmed,
  QueueHeld,
  type QueueItem,
  QueueItems,
  type QueueResult,
  type QueueTake,
} from '#lib/frames/queue.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import type { ShardName } from '#lib/mail/types.ts'
import { RESULT_PATIENCE_MS, SHARD_PATIENCE_MS } from './limits.ts'

export class QueueClient {
  readonly shard: ShardName
  readonly #router: ShardRouter

  constructor(router: ShardRouter, shard: ShardName) {
    this.shard = shard
    this.#router = router
  }

  async take(request: QueueTake): Promise<QueueItem[]> {
    return QueueItems.parse(await this.#json(FrameType.queueTake, request)).items
  }

  /** The bytes of a letter, in pieces of at most 128 KiB. Ends early if a piece cannot be read: then it throws. */
  async *read(item: Pick<QueueItem, 'entry'>, from: number, to: number): AsyncGenerator<Buffer> {
    const piece = (offset: number) =>
      this.#ask(FrameType.queueRead, {
        entry: item.entry,
        offset,
        length: Math.min(QUEUE_READ_BYTES_MAX, to - offset),
      })
    let next = from < to ? piece(from) : null
    for (let offset = from; next !== null; ) {
      const bytes: Buffer = await next
      offset += bytes.length
      if (bytes.length === 0) throw new Error(`the letter ends at ${offset} of ${to} bytes`)
      next = offset < to ? piece(offset) : null // read ahead while this one is sent
      next?.catch(() => undefined)
      yield bytes
    }
  }

  /** Whether the letter of this attempt may end now (rule 18 of the replication design). */
  async confirm(attempt: number): Promise<boolean> {
    return QueueConfirmed.parse(await this.#json(FrameType.queueConfirm, { attempt })).may
  }

  /** @returns Attempts that are not ours any more. */
  async holding(attempts: readonly number[]): Promise<readonly number[]> {
    return QueueHeld.parse(await this.#json(FrameType.queueHolding, { attempts })).lost
  }

  async result(result: QueueResult): Promise<void> {
    await this.#ask(FrameType.queueResult, result, RESULT_PATIENCE_MS)
  }

  async #json(type: number, question: unknown): Promise<unknown> {
    return JSON.parse((await this.#ask(type, question)).toString('utf8'))
  }

  #ask(type: number, question: unknown, patienceMs = SHARD_PATIENCE_MS): Promise<Buffer> {
    const payload = Buffer.from(JSON.stringify(question))
    return this.#router.withPrimary(this.shard, patienceMs, (rpc) => rpc.request(type, [payload]))
  }
}
