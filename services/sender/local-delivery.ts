/**
 * Letters of the queue for mailboxes of the array: notifications to our users, and what asked for a report of its delivery. The delivery
 * id is made from the letter's name and the recipient, so that whoever tries again brings the same delivery (rule 7).
 */
import { createHash } from 'node:crypto'
import type { Directory } from '#lib/directory/port.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { FRAME_PAYLOAD_BYTES_MAX } from '#lib/frames/codec.ts'
import {
  DELIVERY_ID_BYTES,
  type DeliveryOutcome,
  decodeDeliverResult,
  encodeDeliverBegin,
  encodeDeliverEnd,
  FrameType,
} from '#lib/frames/shard-protocol.ts'
import { deliveredToField, returnPathField } from '#lib/letter/mod.ts'
import type { ShardRouter } from '#lib/link/shard-router.ts'
import { type AccountId, type ShardName, toShardName } from '#lib/mail/types.ts'
import type { Letter, Outcome } from './letter.ts'
import { SHARD_PATIENCE_MS } from './limits.ts'

type Recipient = Letter['item']['recipients'][number]
const MOVES_FOLLOWED_MAX = 3

export interface LocalDeliveryOptions {
  readonly directory: Directory
  readonly router: ShardRouter
}

export class LocalDelivery {
  readonly #options: LocalDeliveryOptions

  constructor(options: LocalDeliveryOptions) {
    this.#options = options
  }

  /** Never rejects. */
  async deliver(letter: Letter): Promise<Outcome | null> {
    const outcome: Outcome[number][] = []
    for (const recipient of letter.item.recipients) {
      if (letter.lost.aborted) return null
      try {
        outcome.push(await this.#one(letter, recipient))
      } catch (error) {
        outcome.push(result('deferred', errorMessage(error)))
      }
    }
    return outcome
  }

  async #one(letter: Letter, recipient: Recipient): Promise<Outcome[number]> {
    const found = await this.#options.directory.lookup(recipient.address)
    if (found.kind !== 'account') return result('failed', '550 5.1.1 No such address here')
    const { account } = found
    if (account.status !== 'active') return result('failed', '550 5.2.1 This account is suspended')
    let shard = account.home
    for (let moves = 0; moves <= MOVES_FOLLOWED_MAX; moves++) {
      const outcome = await this.#atShard(letter, recipient, account.id, shard)
      if (outcome.kind !== 'moved') return resultOf(outcome)
      shard = toShardName(outcome.target)
    }
    return result('deferred', '451 4.3.0 The account is moving')
  }

  #atShard(letter: Letter, recipient: Recipient, account: AccountId, shard: ShardName): Promise<DeliveryOutcome> {
    const { item } = letter
    return this.#options.router.withPrimary(shard, SHARD_PATIENCE_MS, async (rpc): Promise<DeliveryOutcome> => {
      const trace: Buffer[] = []
      for await (const piece of letter.read(0, item.headerBytes)) trace.push(piece)
      const fields = returnPathField(item.reversePath) + deliveredToField(recipient.address)
      const begin = {
        traceId: item.traceId,
        reversePath: item.reversePath,
        fromUser: true,
        recipients: [
          {
            account,
            deliveryId: deliveryId(letter.name, recipient.place),
            mailbox: 'INBOX',
            headerBlock: Buffer.concat([Buffer.from(fields, 'latin1'), ...trace]),
          },
        ],
        complete: false,
      }
      const request = rpc.open(FrameType.deliverBegin, [encodeDeliverBegin(begin)])
      request.answer.catch(() => undefined) // heard of below
      for await (const piece of letter.read(item.headerBytes, item.sizeBytes)) {
        for (let at = 0; at < piece.length; at += FRAME_PAYLOAD_BYTES_MAX) {
          await request.send(FrameType.deliverData, [piece.subarray(at, at + FRAME_PAYLOAD_BYTES_MAX)])
        }
      }
      // Stored twice is worse than late: another may have this attempt by now, and its delivery has the same id.
      const may = await letter.mayEnd()
      await request.send(FrameType.deliverEnd, [encodeDeliverEnd({ commit: may, amendments: [] })])
      return decodeDeliverResult(await request.answer)[0] ?? { kind: 'unavailable' }
    })
  }
}

/** 16 bytes: the same for each attempt, another for each letter and recipient. */
export function deliveryId(letterName: string, place: number): Uint8Array {
  return createHash('sha256').update(`${letterName} ${place}`).digest().subarray(0, DELIVERY_ID_BYTES)
}

function resultOf(outcome: DeliveryOutcome): Outcome[number] {
  switch (outcome.kind) {
    case 'stored':
      return result('delivered', '250 2.1.5 Delivered')
    case 'unknown':
      return result('failed', '550 5.1.1 No such address here')
    case 'suspended':
      return result('failed', '550 5.2.1 This account is suspended')
    case 'over-quota':
      return result('deferred', '452 4.2.2 The mailbox is full')
    default:
      return result('deferred', '451 4.3.0 The mailbox cannot be reached')
  }
}

function result(kind: Outcome[number]['kind'], reply: string): Outcome[number] {
  return { kind, reply, remote: '', dsn: true }
}
