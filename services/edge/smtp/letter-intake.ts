/**
 * From DATA to the reply: reads a letter, looks at it, makes its header blocks and delivers it. The order matters: nothing is
 * delivered before the letter's line ends and hops are known to be good, or, where it streams, nothing is committed.
 */
import { isIPv6 } from 'node:net'
import type { DirectoryAccount } from '#lib/directory/port.ts'
import { QUARANTINE } from '#lib/frames/quarantine.ts'
import type { QueueRequest } from '#lib/frames/queue.ts'
import type { DeliveryOutcome } from '#lib/frames/shard-protocol.ts'
import {
  authorsOf,
  countHops,
  HOPS_MAX,
  headerBlocks,
  headerSection,
  receivedField,
  splitLetter,
  submissionEdit,
  type TransportFacts,
  withoutForged,
} from '#lib/letter/mod.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import type { Reply } from '#lib/smtp/mod.ts'
import type { FilteredLetter, FilteredStream, LetterFilter, Placement } from '../filter/letter-filter.ts'
import type { EdgeMetrics } from '../metrics.ts'
import type { Deliverer, Delivery, Envelope, QueuedPart } from './delivery.ts'
import type { DeliveryIds, LetterIdentity } from './delivery-ids.ts'
import type { BodyVerdict, LetterBody } from './letter-body.ts'
import type { Ownership } from './ownership.ts'
import { faultReply, REPLIES, transactionReply } from './replies.ts'
import type { Source, Transaction } from './transaction.ts'

export interface IncomingLetter {
  readonly source: Source
  readonly transaction: Transaction
  /** Has said that it is ready. */
  readonly body: LetterBody
  /** When the client was told to send it, on the monotonic clock. */
  readonly beganMs: number
  /** Transport facts but for what is made here. */
  readonly transport: Omit<TransportFacts, 'traceId' | 'nowMs' | 'serverName'>
  /** Who has logged in: what leaves goes into the queue of this account. */
  readonly author: DirectoryAccount | null
  /** Connection id, for the log. */
  readonly session: string
}

export type LetterResult =
  | { readonly kind: 'refused'; readonly traceId: string; readonly reply: Reply }
  /** One outcome for each of the transaction's recipients, then one for what is queued, if anything is. */
  | { readonly kind: 'settled'; readonly traceId: string; readonly outcomes: readonly DeliveryOutcome[] }

export interface LetterIntakeOptions {
  readonly deliverer: Pick<Deliverer, 'deliver' | 'deliverStream'>
  readonly ids: DeliveryIds
  readonly ownership: Pick<Ownership, 'authors'>
  /** Null: letters are shown to no filter. */
  readonly filter: LetterFilter | null
  readonly hostname: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: EdgeMetrics
}

/** Where a letter goes for one recipient, and what the filter adds to its header block. */
interface Place {
  readonly placement: Placement
  readonly fields: string
}

const MAILBOXES = { inbox: 'INBOX', junk: '\\Junk', quarantine: QUARANTINE, discard: '\\Junk' } as const
const AS_IT_IS: Place = { placement: 'inbox', fields: '' }
/** To its sender a letter that is thrown away is a letter that arrived. */
const DISCARDED: DeliveryOutcome = { kind: 'stored', uid: 0, duplicate: false }

/** A line of the log is no list of members. */
const LOGGED_RECIPIENTS_MAX = 10

/** A letter on its way, as its parts hand it on. */
interface Reading {
  readonly letter: IncomingLetter
  readonly traceId: string
  readonly nowMs: number
  /** As received. */
  readonly header: string
  /** With what submission put before it. */
  readonly whole: readonly Buffer[]
  readonly received: readonly Buffer[]
}

export class LetterIntake {
  readonly #options: LetterIntakeOptions

  constructor(options: LetterIntakeOptions) {
    this.#options = options
  }

  /** Takes the body to its end whatever happens. Rejects only for bugs. */
  async take(letter: IncomingLetter): Promise<LetterResult> {
    const { clock, random, metrics, logger } = this.#options
    const { body, beganMs } = letter
    const traceId = randomId(random, 16)
    let result: LetterResult
    const facts = { messageId: '' }
    try {
      result = await this.#read(letter, traceId, facts)
    } finally {
      body.release()
    }
    const ms = Math.round(clock.monotonicMs() - beganMs)
    const addresses = [...letter.transaction.recipients, ...letter.transaction.queued].map(({ address }) => address)
    const said = result.kind === 'refused' ? result.reply.text : summary(result.outcomes)
    metrics.letterBytes.inc({ source: letter.source }, body.bytes)
    countOutcomes(metrics, letter, result)
    logger.info(
      {
        trace: traceId,
        session: letter.session,
        source: letter.source,
        messageId: facts.messageId,
        from: letter.transaction.reversePath,
        to: addresses.slice(0, LOGGED_RECIPIENTS_MAX),
        recipients: addresses.length,
        bytes: body.bytes,
        result: said,
        ms,
      },
      'letter',
    )
    return result
  }

  /** @param facts Filled in for the log. */
  async #read(letter: IncomingLetter, traceId: string, facts: { messageId: string }): Promise<LetterResult> {
    const { clock, metrics } = this.#options
    const { body, beganMs } = letter
    const complete = body.complete
    const pieces = body.first()
    const refuse = async (reply: Reply): Promise<LetterResult> => {
      if (!complete) await body.skip()
      return { kind: 'refused', traceId, reply: verdictReply(body.verdict) ?? reply }
    }
    const wrong = complete ? verdictReply(body.verdict) : null
    if (wrong) return await refuse(wrong)
    const nowMs = clock.nowMs()
    const header = headerSection(pieces)
    facts.messageId = messageIdOf(header)
    if (countHops(header) > HOPS_MAX) return await refuse(REPLIES.loop)
    // LMTP comes from the array itself, which has looked at the letter before.
    let whole = letter.source === 'lmtp' ? pieces : withoutForged(header, pieces, this.#options.hostname)
    if (letter.source === 'submission') {
      const edit = submissionEdit(header, nowMs, traceId, this.#options.hostname)
      if (edit.kind === 'from-missing') return await refuse(REPLIES.fromMissing)
      const stranger = await this.#notOwned(letter.author, header)
      if (stranger !== null) return await refuse(stranger)
      if (edit.bytes.length > 0) whole = [edit.bytes, ...whole]
    }
    const readMs = clock.monotonicMs()
    metrics.stageSeconds.observe({ stage: 'body' }, (readMs - beganMs) / 1000)
    const reading: Reading = { letter, traceId, nowMs, header, whole, received: pieces }
    const outcomes = complete ? await this.#deliver(reading) : await this.#deliverStream(reading)
    const late = verdictReply(body.verdict)
    if (late) return { kind: 'refused', traceId, reply: late }
    if (!Array.isArray(outcomes)) return { kind: 'refused', traceId, reply: outcomes }
    metrics.stageSeconds.observe({ stage: 'commit' }, (clock.monotonicMs() - readMs) / 1000)
    return { kind: 'settled', traceId, outcomes }
  }

  /** As whom the author may not write; null: he may. */
  async #notOwned(author: DirectoryAccount | null, header: string): Promise<Reply | null> {
    if (author === null) return REPLIES.authorNotOwned
    return await this.#options.ownership.authors(author, authorsOf(splitLetter(header, []).fields))
  }

  /** @returns The reply with which the filter refuses it, or outcomes. */
  async #deliver(reading: Reading): Promise<DeliveryOutcome[] | Reply> {
    const { letter, whole, received } = reading
    const { ids, deliverer } = this.#options
    const places = await this.#filter(reading)
    if ('code' in places) return places
    const keys: string[] = letter.transaction.recipients.map((recipient) => recipient.account)
    const { queued } = letter.transaction
    if (queued.length > 0) keys.push(queued.map(({ address }) => address).join(' '))
    // As received: what submission put before it has another date and id each time.
    const sender = letter.author?.id ?? letter.transaction.reversePath
    const identity: LetterIdentity = { sender, body: received }
    // LMTP says of each recipient what became of it, so a client repeats only those that failed; but of a group all.
    const repeats = letter.source !== 'lmtp' || letter.transaction.places.some((places) => places.length > 1)
    const deliveryIds = repeats ? ids.idsFor(identity, keys) : keys.map(() => ids.newId())
    const deliveries = this.#deliveries(reading, deliveryIds, places)
    const queue = this.#queued(reading, deliveryIds.at(-1), () => whole.some(hasEightBits))
    const kept = deliveries.filter((_, i) => places[i]?.placement !== 'discard')
    const answers = await deliverer.deliver(envelopeOf(reading), kept, whole, queue)
    const outcomes = [
      ...deliveries.map((delivery) => (kept.includes(delivery) ? answers.shift() : undefined) ?? DISCARDED),
      ...answers,
    ]
    const reply = repeats ? transactionReply(outcomes) : null
    if (reply !== null && reply.code < 500) ids.keep(identity, keys, deliveryIds)
    return outcomes
  }

  /** @returns The reply with which the filter refuses it, or outcomes. */
  async #deliverStream(reading: Reading): Promise<DeliveryOutcome[] | Reply> {
    const { letter, whole } = reading
    const { ids, deliverer } = this.#options
    const { body } = letter
    const deliveryIds = letter.transaction.recipients.map(() => ids.newId())
    const asItIs = deliveryIds.map(() => AS_IT_IS)
    const filtered = await this.#filterStream(reading)
    let refusal: Reply | null = null
    const rest = {
      next: async () => {
        const pieces = await body.next()
        if (pieces !== null) await filtered?.write(pieces)
        return pieces
      },
      verdict: async () => {
        if (body.verdict.kind !== 'good') {
          filtered?.abandon()
          return { commit: false, amendments: [] }
        }
        const decision = (await filtered?.decide()) ?? { kind: 'take', recipients: [] }
        if (decision.kind === 'refuse') {
          refusal = decision.reply
          return { commit: false, amendments: [] }
        }
        const amended =
          decision.recipients.length === 0 ? [] : this.#deliveries(reading, deliveryIds, decision.recipients)
        return { commit: true, amendments: amended }
      },
    }
    const eightBit = letter.transaction.mail.body === '8BITMIME'
    const queue = this.#queued(reading, ids.newId(), () => eightBit)
    const deliveries = this.#deliveries(reading, deliveryIds, asItIs)
    const outcomes = await deliverer.deliverStream(envelopeOf(reading), deliveries, whole, rest, queue)
    return refusal ?? outcomes
  }

  /** Where the letter goes for each recipient, or how it is refused. */
  async #filter(reading: Reading): Promise<readonly Place[] | Reply> {
    const { filter } = this.#options
    const { recipients } = reading.letter.transaction
    if (filter === null || reading.letter.source === 'lmtp') return recipients.map(() => AS_IT_IS)
    const { filtered, body } = this.#filtered(reading)
    const decision = await filter.decide(filtered, body)
    return decision.kind === 'refuse' ? decision.reply : decision.recipients
  }

  async #filterStream(reading: Reading): Promise<FilteredStream | null> {
    const { filter } = this.#options
    if (filter === null || reading.letter.source === 'lmtp') return null
    const { filtered, body } = this.#filtered(reading)
    return await filter.stream(filtered, body)
  }

  #filtered({ letter, traceId, header, received }: Reading): {
    readonly filtered: FilteredLetter
    readonly body: readonly Buffer[]
  } {
    const { transaction, transport, author } = letter
    const { fields, body } = splitLetter(header, received)
    const address = transport.clientAddress
    const envelope = {
      traceId,
      hostname: this.#options.hostname,
      client:
        address === null
          ? ({ family: 'unknown' } as const)
          : ({ family: isIPv6(address) ? 'inet6' : 'inet', address, port: 0 } as const),
      helo: transport.helo,
      reversePath: transaction.reversePath,
      recipients: [...transaction.recipients, ...transaction.queued].map((recipient) => recipient.address),
      user: author?.id ?? null,
      tls: transport.tls !== null,
    }
    const origin =
      address === null || author !== null
        ? null
        : { traceId, clientAddress: address, helo: transport.helo, reversePath: transaction.reversePath }
    const recipients = transaction.recipients.map((recipient) => ({
      address: recipient.address,
      wishes: recipient.wishes ?? [],
    }))
    return { filtered: { recipients, envelope, origin, fields }, body }
  }

  /** What of the letter goes into the author's queue; null: nothing. */
  #queued(
    { letter, traceId, nowMs }: Reading,
    deliveryId: Uint8Array | undefined,
    eightBit: () => boolean,
  ): QueuedPart | null {
    const { author, transaction, transport } = letter
    const { queued, mail } = transaction
    if (author === null || deliveryId === undefined || queued.length === 0) return null
    const facts = { ...transport, serverName: this.#options.hostname, traceId, nowMs }
    const request: QueueRequest = {
      account: author.id,
      deliveryId,
      headerBlock: Buffer.from(receivedField(facts, null), 'latin1'),
      eightBit: mail.body === '8BITMIME' || eightBit(),
      smtpUtf8: mail.smtpUtf8,
      ret: mail.dsn.ret,
      envid: mail.dsn.envid,
      recipients: queued.map(({ address, dsn }) => ({ address, notify: dsn.notify, orcpt: dsn.orcpt })),
    }
    return { shard: author.home, request }
  }

  #deliveries({ letter, traceId, nowMs }: Reading, ids: readonly Uint8Array[], places: readonly Place[]): Delivery[] {
    const { recipients, reversePath } = letter.transaction
    const facts = { ...letter.transport, serverName: this.#options.hostname, traceId, nowMs }
    const blocks = headerBlocks(
      facts,
      reversePath,
      recipients.map((recipient) => recipient.address),
    )
    return recipients.flatMap(({ account, shard }, i) => {
      const [deliveryId, block] = [ids[i], blocks[i]]
      const { placement, fields } = places[i] ?? AS_IT_IS
      if (!deliveryId || !block) return []
      const headerBlock = fields === '' ? block : Buffer.concat([block, Buffer.from(fields, 'latin1')])
      return [{ account, shard, deliveryId, mailbox: MAILBOXES[placement], headerBlock }]
    })
  }
}

function envelopeOf({ letter, traceId }: Reading): Envelope {
  return { traceId, reversePath: letter.transaction.reversePath, fromUser: letter.source === 'submission' }
}

/** Without its angle brackets; empty: there is none that can be logged. */
function messageIdOf(header: string): string {
  return /^message-id[ \t]*:[ \t]*(?:\r\n[ \t]+)?<([\x21-\x3b\x3d\x3f-\x7e]{1,250})>/im.exec(header)?.[1] ?? ''
}

function hasEightBits(piece: Uint8Array): boolean {
  return piece.some((byte) => byte > 0x7f)
}

function verdictReply(verdict: BodyVerdict): Reply | null {
  switch (verdict.kind) {
    case 'good':
      return null
    case 'fault':
      return faultReply(verdict.fault)
    case 'too-large':
      return REPLIES.tooLarge
    case 'gone':
      return REPLIES.undelivered // nobody reads it
    default:
      return verdict satisfies never
  }
}

function summary(outcomes: readonly DeliveryOutcome[]): string {
  const kinds = new Set(outcomes.map((outcome) => outcome.kind))
  return [...kinds].join(',')
}

function countOutcomes(metrics: EdgeMetrics, letter: IncomingLetter, result: LetterResult): void {
  const { source } = letter
  if (result.kind === 'settled')
    for (const { kind: outcome } of result.outcomes) metrics.deliveries.inc({ source, outcome })
  else metrics.deliveries.inc({ source, outcome: 'refused' }, letter.transaction.recipients.length)
}
