/**
 * Delivery of one letter to its recipients in this shard: one body, one `messagesAdd` for each. Recipients whose account is
 * free are decided at once and written as one step with the body; one whose account is held by an exclusive operation follows
 * when it gets its turn and refers to the same body, so no delivery waits for two accounts at a time.
 *
 * A delivery id that is known, or under way, is not stored again: it gets the outcome of the first (rule 7).
 */

import { QUARANTINE } from '#lib/frames/quarantine.ts'
import type { QueueRequest } from '#lib/frames/queue.ts'
import type { DeliverBegin, DeliveryAmendment, DeliveryOutcome, DeliveryRecipient } from '#lib/frames/shard-protocol.ts'
import { specialUseOf } from '#lib/imap/syntax/special-use.ts'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import type { AccountId } from '#lib/mail/types.ts'
import { randomId } from '#lib/ports/random.ts'
import { StoreError } from '../errors.ts'
import { Quarantine } from '../quarantine/quarantine.ts'
import { overSendingLimit, submissionFact } from '../queue/admission.ts'
import {
  type BodyReference,
  type MessagesAdd,
  type NewMessage,
  RecordType,
  type ShardRecord,
} from '../records/types.ts'
import type { AccountState } from './account-state.ts'
import { BodyWriter } from './body-writer.ts'
import { elsewhere } from './elsewhere.ts'
import { EMAIL_ID_LENGTH } from './limits.ts'
import type { MailboxState } from './mailbox-state.ts'
import { canonicalName } from './names.ts'
import type { StoreCore } from './store-core.ts'

/** What `deliverBegin` says, without the body, and what of the letter is to leave the shard. */
export type DeliveryRequest = Pick<DeliverBegin, 'traceId' | 'reversePath' | 'recipients'> & {
  readonly queue?: QueueRequest
}

/** A letter that arrives in pieces. */
export interface DeliveryStream {
  /** Takes the next bytes without copying: do not reuse the buffer. A promise means: wait for it before the next piece. @throws {StoreError} STORE_BODY_TOO_LARGE, STORE_UNAVAILABLE */
  write(chunk: Uint8Array): Promise<void> | undefined
  /** Stores the letter; resolves after commit and apply, outcomes in the order of the request's recipients, then that of the queue if it was asked.
   * @param amendments What the recipients' mailboxes and header blocks are after all, in the order of the request; empty: as requested.
   * @throws {StoreError} STORE_LIMIT, as a rejection */
  finish(amendments?: readonly DeliveryAmendment[]): Promise<DeliveryOutcome[]>
  /** Gives up: what was written is never referred to. Safe after `finish` too, where it does nothing. */
  abort(): void
}

/** Deliveries under way, by delivery id. */
export type DeliveriesPending = Map<string, Promise<DeliveryOutcome>>

/** A recipient whose account lock is held, and who tells its outcome through `settle`. */
interface Turn {
  readonly recipient: DeliveryRecipient
  readonly account: AccountState
  readonly settle: (outcome: DeliveryOutcome) => void
}

/** What is to be queued, and how its outcome is told. */
interface QueueTurn {
  readonly request: QueueRequest
  readonly settle: (outcome: DeliveryOutcome) => void
}

interface Placed {
  readonly turn: Turn
  readonly mailbox: MailboxState
  readonly sizeBytes: number
  readonly message: Omit<NewMessage, 'body'>
}

export class Delivery implements DeliveryStream {
  readonly #core: StoreCore
  readonly #pending: DeliveriesPending
  readonly #request: DeliveryRequest
  readonly #quarantine: Pick<Quarantine, 'open'>
  readonly #body: BodyWriter
  #over = false
  #emailId: string | null = null
  #nowMs: number | null = null

  /** @throws {StoreError} STORE_LIMIT for more recipients or larger header blocks than are taken, STORE_UNAVAILABLE */
  constructor(
    core: StoreCore,
    pending: DeliveriesPending,
    request: DeliveryRequest,
    quarantine: Pick<Quarantine, 'open'>,
  ) {
    core.check()
    const { recipientsMax, headerBlockBytesMax, queue } = core.limits
    if ((request.queue?.recipients.length ?? 0) > queue.recipientsPerLetterMax) {
      throw new StoreError(
        'STORE_LIMIT',
        `Cannot queue a letter for more than ${queue.recipientsPerLetterMax} recipients`,
      )
    }
    if (request.recipients.length > recipientsMax) {
      throw new StoreError(
        'STORE_LIMIT',
        `Cannot deliver to ${request.recipients.length} recipients: at most ${recipientsMax}`,
      )
    }
    checkHeaderBlocks(request.recipients, headerBlockBytesMax)
    this.#core = core
    this.#pending = pending
    this.#request = request
    this.#quarantine = quarantine
    this.#body = new BodyWriter(core)
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#over) throw new StoreError('STORE_CLOSED', 'Cannot write to a delivery that has ended')
    return this.#body.write(chunk)
  }

  async finish(amendments: readonly DeliveryAmendment[] = []): Promise<DeliveryOutcome[]> {
    if (this.#over) throw new StoreError('STORE_CLOSED', 'Cannot finish a delivery that has ended')
    this.#over = true
    checkHeaderBlocks(amendments, this.#core.limits.headerBlockBytesMax)
    const recipients = this.#request.recipients.map((recipient, i) => ({ ...recipient, ...amendments[i] }))
    if (recipients.some(({ mailbox }) => mailbox === QUARANTINE)) await this.#quarantine.open()
    const now: Turn[] = []
    const outcomes = recipients.map((recipient) => this.#begin(recipient, now))
    let queueNow: QueueTurn | null = null
    if (this.#request.queue !== undefined) {
      const { outcome, turn } = this.#beginQueue(this.#request.queue)
      outcomes.push(outcome)
      queueNow = turn
    }
    this.#place(now, queueNow)
    return Promise.all(outcomes)
  }

  abort(): void {
    this.#over = true
  }

  /** Answers at once if it can; otherwise the recipient joins `now` or waits for its account. */
  #begin(recipient: DeliveryRecipient, now: Turn[]): DeliveryOutcome | Promise<DeliveryOutcome> {
    const key = idKey(recipient.deliveryId)
    const underWay = this.#pending.get(key)
    if (underWay !== undefined) return underWay.then(asDuplicate)
    const earlier = this.#core.index.delivery(recipient.deliveryId)
    if (earlier !== null) return { kind: 'stored', uid: earlier.uid, duplicate: true }
    const account = this.#core.accounts.get(recipient.account)
    if (account === null) return absent(this.#core, recipient.account)
    const placed = Quarantine.placed(recipient)
    if (placed !== recipient) return account.suspended ? { kind: 'suspended' } : this.#begin(placed, now)
    const { promise, resolve } = Promise.withResolvers<DeliveryOutcome>()
    this.#pending.set(key, promise)
    const settle = (outcome: DeliveryOutcome) => {
      this.#pending.delete(key)
      account.lock.releaseShared()
      resolve(outcome)
    }
    const turn = { recipient, account, settle }
    const wait = account.lock.shared()
    if (wait === null) now.push(turn)
    else void wait.then(() => this.#place([turn]))
    return promise
  }

  /** What is queued takes no UID, so it waits for no lock. */
  #beginQueue(request: QueueRequest): {
    readonly outcome: DeliveryOutcome | Promise<DeliveryOutcome>
    readonly turn: QueueTurn | null
  } {
    const key = idKey(request.deliveryId)
    const underWay = this.#pending.get(key)
    if (underWay !== undefined) return { outcome: underWay, turn: null }
    if (this.#core.index.queue.byDelivery(request.deliveryId) !== null)
      return { outcome: { kind: 'queued' }, turn: null }
    const refusal = this.#queueRefusal(request)
    if (refusal !== null) return { outcome: refusal, turn: null }
    const { promise, resolve } = Promise.withResolvers<DeliveryOutcome>()
    this.#pending.set(key, promise)
    const settle = (outcome: DeliveryOutcome) => {
      this.#pending.delete(key)
      resolve(outcome)
    }
    return { outcome: promise, turn: { request, settle } }
  }

  #queueRefusal({ account: id, recipients }: QueueRequest): DeliveryOutcome | null {
    if (!this.#core.serving) return { kind: 'unavailable' }
    const account = this.#core.accounts.get(id)
    if (account === null || account.gone) return absent(this.#core, id)
    if (account.suspended) return { kind: 'suspended' }
    const { index, clock, limits } = this.#core
    const tooMany = overSendingLimit(index, id, recipients.length, clock.nowMs(), limits.queue)
    return tooMany ? { kind: 'rate-limited' } : null
  }

  /** Decides and appends those whose turn it is, in one step. */
  #place(turns: readonly Turn[], queued: QueueTurn | null = null): void {
    const placed: Placed[] = []
    for (const turn of turns) {
      const refusal = this.#refusal(turn)
      if (refusal === null) placed.push(this.#take(turn))
      else turn.settle(refusal)
    }
    if (placed.length === 0 && queued === null) return
    const settled = (error: StoreError | null) => {
      queued?.settle({ kind: error === null ? 'queued' : 'unavailable' })
      for (const { turn, sizeBytes, message } of placed) {
        turn.account.bytesPending -= sizeBytes
        turn.settle(error === null ? { kind: 'stored', uid: message.uid, duplicate: false } : { kind: 'unavailable' })
      }
    }
    let bodyWritten = true
    try {
      const { records, reference } = this.#body.attach()
      bodyWritten = records.length === 0
      const facts: ShardRecord[] = placed.map((one) => this.#fact(one, reference))
      if (queued !== null)
        facts.push(submissionFact(queued.request, this.#request, reference, this.#core.clock.nowMs()))
      this.#core.pipeline.append(records, facts, settled)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      if (!bodyWritten) this.#body.lost(error)
      settled(error)
    }
  }

  #refusal({ account, recipient }: Turn): DeliveryOutcome | null {
    if (!this.#core.serving) return { kind: 'unavailable' }
    if (account.gone) return absent(this.#core, account.id)
    if (account.suspended) return { kind: 'suspended' }
    if (!account.fits(recipient.headerBlock.byteLength + this.#body.sizeBytes)) return { kind: 'over-quota' }
    const { messagesTaken, uidsLeft } = this.#mailbox(account, recipient)
    const full = messagesTaken >= this.#core.limits.messagesPerMailboxMax || uidsLeft === 0
    return full ? { kind: 'over-quota' } : null
  }

  /** Takes UID, MODSEQ and room: decided now, shown after commit. */
  #take(turn: Turn): Placed {
    const { account, recipient } = turn
    const mailbox = this.#mailbox(account, recipient)
    const sizeBytes = recipient.headerBlock.byteLength + this.#body.sizeBytes
    account.bytesPending += sizeBytes
    this.#nowMs ??= this.#core.clock.nowMs()
    this.#emailId ??= randomId(this.#core.random, EMAIL_ID_LENGTH)
    const message = {
      uid: mailbox.takeUid(),
      modSeq: account.takeModSeq(),
      flags: NO_FLAGS,
      internalDateMs: this.#nowMs,
      saveDateMs: this.#nowMs,
      emailId: this.#emailId,
      headerBlock: recipient.headerBlock,
    }
    return { turn, mailbox, sizeBytes, message }
  }

  #fact({ turn, mailbox, message }: Placed, body: BodyReference): MessagesAdd {
    return {
      type: RecordType.messagesAdd,
      account: turn.account.id,
      mailbox: mailbox.id,
      messages: [{ ...message, body }],
      deliveryId: turn.recipient.deliveryId,
      traceId: this.#request.traceId,
    }
  }

  #mailbox(account: AccountState, recipient: DeliveryRecipient): MailboxState {
    return find(account, recipient.mailbox) ?? account.inbox()
  }
}

/** What is answered for an account that is not served here. */
function absent({ index }: StoreCore, id: AccountId): DeliveryOutcome {
  const place = elsewhere(index, id)
  if (place.kind === 'moved') return place
  return { kind: place.kind === 'handed-over' ? 'unavailable' : 'unknown' }
}

function find(account: AccountState, wanted: string): MailboxState | undefined {
  const use = specialUseOf(wanted)
  return use === null ? account.find(canonicalName(wanted)) : account.withSpecialUse(use)
}

/** @throws {StoreError} STORE_LIMIT */
function checkHeaderBlocks(recipients: readonly { readonly headerBlock: Uint8Array }[], bytesMax: number): void {
  if (recipients.every(({ headerBlock }) => headerBlock.byteLength <= bytesMax)) return
  throw new StoreError('STORE_LIMIT', `Cannot store a header block of more than ${bytesMax} bytes`)
}

/** Ids are 16 bytes: as many characters below U+0100. */
function idKey(deliveryId: Uint8Array): string {
  return Buffer.from(deliveryId.buffer, deliveryId.byteOffset, deliveryId.byteLength).toString('latin1')
}

function asDuplicate(outcome: DeliveryOutcome): DeliveryOutcome {
  return outcome.kind === 'stored' ? { ...outcome, duplicate: true } : outcome
}
