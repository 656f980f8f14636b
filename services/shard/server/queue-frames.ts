/** The frames of a sender and of an administrator of the queue: decoded, checked, carried out, answered. */
import type { Duplex } from 'node:stream'
import type { Frame } from '#lib/frames/codec.ts'
import { QueueConfirm, QueueHolding, QueueOrder, QueueRead, QueueResult, QueueTake } from '#lib/frames/queue.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { StoreError } from '../errors.ts'
import type { OutgoingQueue } from '../queue/outgoing-queue.ts'
import type { Served } from './served.ts'

/** Type of the answer by type of the question. */
export const QUEUE_ANSWERS = {
  [FrameType.queueTake]: FrameType.queueItems,
  [FrameType.queueRead]: FrameType.queueBytes,
  [FrameType.queueConfirm]: FrameType.queueReport,
  [FrameType.queueResult]: FrameType.done,
  [FrameType.queueHolding]: FrameType.queueReport,
  [FrameType.queueOrder]: FrameType.queueReport,
} as const

const NOTHING = new Uint8Array(0)

/** @param stream What attempts belong to. */
export async function serveQueueFrame(
  frame: Frame,
  queue: OutgoingQueue,
  stream: Duplex,
  served: Pick<Served, 'mayServe' | 'shard'>,
): Promise<Uint8Array> {
  const said: unknown = JSON.parse(frame.payload.toString('utf8'))
  switch (frame.type) {
    case FrameType.queueTake: {
      const items = await queue.take(QueueTake.parse(said), stream)
      // Closed meanwhile: nobody will hear of these attempts.
      if (stream.destroyed) queue.ownerGone(stream)
      return json({ items })
    }
    case FrameType.queueRead: {
      const { entry, offset, length } = QueueRead.parse(said)
      const bytes = await queue.read(entry, offset, length)
      if (bytes === null) throw new StoreError('STORE_NO_ENTRY', `Cannot read queue entry ${entry}: it is done`)
      return bytes
    }
    case FrameType.queueConfirm: {
      const { attempt } = QueueConfirm.parse(said)
      // Rule 18: the end of a letter goes out only while nobody else can have been promoted.
      return json({ may: served.mayServe() && queue.confirm(attempt, stream) })
    }
    case FrameType.queueResult:
      await queue.result(QueueResult.parse(said))
      return NOTHING
    case FrameType.queueHolding:
      return json({ lost: queue.holding(QueueHolding.parse(said).attempts, stream) })
    default:
      return json(await queue.order(QueueOrder.parse(said)))
  }
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}
