/**
 * The outgoing queue of a shard: gives items to senders, writes down what came of them, tells the authors of letters, and obeys
 * administrators. All of it is records of the log; what stands here is who has which attempt, and what is due.
 *
 * Invariants
 * - An attempt is committed before a sender hears of it, and a recipient has one at most (rule 18 of the replication design).
 * - A result counts if its attempt is still that of the recipient; what comes twice or too late changes nothing.
 * - What a sender left without a word is tried again only after `DOUBT_MS`.
 * - A notification is committed in one step with the outcome that it reports: never lost, never twice.
 * - Changes of one entry are decided and applied one after the other.
 */

import { errorCode } from '#lib/errors/coded-error.ts'
import type { QueueItem, QueueOrder, QueueReport, QueueResult, QueueTake, RecipientResult } from '#lib/frames/queue.ts'
import { QUEUE_ITEM_RECIPIENTS_MAX } from '#lib/frames/queue.ts'
import { type AccountId, type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import { randomId } from '#lib/ports/random.ts'
import { StoreError } from '../errors.ts'
import type { QueueEntryRow, QueueRecipientRow, QueueTotals } from '../index/queue-rows.ts'
import { messageBytes } from '../mailbox/message-bytes.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import { BODY_META } from '../records/codec.ts'
import { type QueueAdd, type QueueDefer, type QueueDone, RecordType } from '../records/types.ts'
import { destinationOf } from './admission.ts'
import { Attempts, type Owner } from './attempts.ts'
import { decideResult, type Notice, wants } from './decide-result.ts'
import { Destinations } from './destinations.ts'
import { EntryLocks } from './entry-locks.ts'
import { type HandedOver, handOverQueue } from './hand-over.ts'
import {
  ATTEMPT_MS_MAX,
  DOUBT_MS,
  ITEMS_PER_DESTINATION,
  RETURNED_BYTES_MAX,
  RETURNED_HEADER_BYTES_MAX,
  SWEEP_ENTRIES,
  SWEEP_INTERVAL_MS,
} from './limits.ts'
import { type NotifiedRecipient, notificationLetter } from './notification.ts'
import { changesOf, letterReport, matches } from './orders.ts'
import { expiryMs } from './schedule.ts'

export interface QueueCounts {
  readonly attemptsUnderWay: number
  readonly attemptsInDoubt: number
  readonly destinations: number
  /** Recipients by what came of an attempt, since the start. */
  readonly results: Readonly<Record<RecipientResult['kind'] | 'expired' | 'stale', number>>
  readonly notifications: number
}

interface Notified {
  readonly row: QueueRecipientRow
  readonly notice: Notice
  readonly reply: string
  readonly remote: string
}

const ID_CHARACTERS = 20
const INTERRUPTED = 'the attempt was interrupted: it is not known whether the letter went out'
const SUSPENDED = 'held: the account of its author is suspended'

export class OutgoingQueue {
  readonly #core: StoreCore
  readonly #hostname: string
  readonly #destinations: Destinations
  readonly #attempts = new Attempts(DOUBT_MS, ATTEMPT_MS_MAX)
  readonly #locks = new EntryLocks()
  readonly #results = { delivered: 0, deferred: 0, failed: 0, untried: 0, expired: 0, stale: 0 }
  #notifications = 0
  #taking: Promise<unknown> = Promise.resolve()
  #wake = Promise.withResolvers<void>()
  #cancelSweep: () => void = () => undefined
  #cancelDoubt: () => void = () => undefined
  #stopped = false

  /** @param hostname Name under which notifications are sent. */
  constructor(core: StoreCore, hostname: string) {
    this.#core = core
    this.#hostname = hostname
    this.#destinations = new Destinations(core.index.queue.destinations())
    const nowMs = core.clock.monotonicMs()
    for (const { attempt, entry, destination } of core.index.queue.attempting()) {
      this.#attempts.found({ attempt: toLsn(attempt), entry, destination }, nowMs)
    }
    core.onApplied = (records) => {
      let changed = false
      for (const { record } of records) {
        if (record.type !== RecordType.queueAdd) continue
        changed = true
        for (const { destination } of record.recipients) this.#look(destination)
      }
      if (changed) this.#poke()
    }
    this.#watchDoubt()
    this.#cancelSweep = core.clock.after(SWEEP_INTERVAL_MS, () => this.#sweep())
  }

  counts(): QueueCounts {
    return {
      attemptsUnderWay: this.#attempts.size,
      attemptsInDoubt: this.#attempts.inDoubt,
      destinations: this.#destinations.size,
      results: { ...this.#results },
      notifications: this.#notifications,
    }
  }

  totals(): QueueTotals {
    return this.#core.index.queue.totals()
  }

  stop(): void {
    this.#stopped = true
    this.#cancelSweep()
    this.#cancelDoubt()
    this.#poke()
  }

  /** What is due now, or within `waitMs`; each item is an attempt that is committed. @throws {StoreError} STORE_UNAVAILABLE */
  async take({ itemsMax, busy, waitMs }: QueueTake, owner: Owner): Promise<QueueItem[]> {
    const { clock } = this.#core
    const busySet = new Set(busy)
    const deadline = clock.monotonicMs() + waitMs
    for (;;) {
      this.#core.check()
      // One after the other: what one takes must be applied before another looks.
      const turn = this.#taking.then(() => this.#takeNow(itemsMax, busySet, owner))
      this.#taking = turn.catch(() => undefined)
      const items = await turn
      const leftMs = deadline - clock.monotonicMs()
      if (items.length > 0 || leftMs <= 0 || this.#stopped) return items
      const dueMs = this.#destinations.nextDueMs(busySet)
      await this.#sleep(dueMs === null ? leftMs : Math.min(leftMs, Math.max(10, dueMs - clock.nowMs())))
    }
  }

  /** Bytes of a letter: trace fields, then body. @returns Empty behind its end; null: there is no such entry */
  async read(entry: number, offset: number, length: number): Promise<Uint8Array | null> {
    const row = this.#core.index.queue.entry(toLsn(entry))
    return row === null ? null : await messageBytes(this.#core.bodies, row).read(offset, length)
  }

  /** Asked just before the end of a letter: whether the attempt is still this sender's. */
  confirm(attempt: number, owner: Owner): boolean {
    return !this.#stopped && this.#core.serving && this.#attempts.heldBy(attempt, owner)
  }

  /** @returns Attempts that the sender named and that are not its any more. */
  holding(attempts: readonly number[], owner: Owner): number[] {
    const lost = this.#attempts.adopt(attempts, owner, this.#core.clock.monotonicMs())
    this.#watchDoubt()
    return lost
  }

  /** Letters of an account that has moved go after it. @returns How many stay for now, as they are being tried */
  async handOver(shard: ShardName, account: AccountId, send: (letter: HandedOver) => Promise<void>): Promise<number> {
    return await handOverQueue({ core: this.#core, locks: this.#locks, shard }, account, send)
  }

  /** A sender's stream has ended. */
  ownerGone(owner: Owner): void {
    if (this.#attempts.ownerGone(owner, this.#core.clock.monotonicMs())) this.#watchDoubt()
  }

  /** Writes down what came of an attempt. Idempotent. @throws {StoreError} STORE_UNAVAILABLE and others: tell it again */
  async result({ attempt, results }: QueueResult): Promise<void> {
    const held = this.#attempts.get(attempt)
    if (held === null) {
      this.#results.stale += results.length
      return
    }
    await this.#locks.run(held.entry, async () => {
      const entry = this.#core.index.queue.entry(held.entry)
      const rows = entry === null ? [] : this.#core.index.queue.recipients(held.entry)
      const mine = new Map(rows.filter((row) => row.attempt === attempt).map((row) => [row.place, row]))
      if (entry !== null) await this.#settle(entry, mine, results)
      if (!this.#core.index.queue.recipients(held.entry).some((row) => row.attempt === attempt)) {
        this.#attempts.over(attempt)
      }
    })
    this.#look(held.destination)
    this.#poke()
  }

  /** Carries out what an administrator asks. */
  async order(order: QueueOrder): Promise<QueueReport> {
    const { queue } = this.#core.index
    if (order.kind !== 'list') return { letters: [], next: null, changed: await this.#change(order) }
    const letters: QueueReport['letters'] = []
    let after = order.filter.entry === undefined ? order.after : order.filter.entry - 1
    for (;;) {
      const rows = queue.openEntries(after, order.rowsMax)
      for (const entry of rows) {
        after = entry.entry
        const recipients = queue.recipients(entry.entry).filter((row) => matches(order.filter, entry, row))
        if (recipients.length > 0) letters.push(letterReport(entry, recipients))
        if (letters.length >= order.rowsMax) return { letters, next: after, changed: 0 }
      }
      const over = rows.length < order.rowsMax || order.filter.entry !== undefined
      if (over) return { letters, next: null, changed: 0 }
      await new Promise((resolve) => setImmediate(resolve)) // others are served between two pages
    }
  }

  async #takeNow(itemsMax: number, busy: ReadonlySet<string>, owner: Owner): Promise<QueueItem[]> {
    const { index, clock, pipeline } = this.#core
    if (this.#stopped) return []
    const nowMs = clock.nowMs()
    const chosen: { entry: QueueEntryRow; rows: QueueRecipientRow[]; attempt: Lsn }[] = []
    const suspended: { entry: QueueEntryRow; rows: QueueRecipientRow[] }[] = []
    const destinations = this.#destinations.ready(nowMs, busy, itemsMax)
    const each = Math.min(ITEMS_PER_DESTINATION, Math.max(1, Math.floor(itemsMax / Math.max(1, destinations.length))))
    for (const destination of destinations) {
      const due = index.queue.due(destination, nowMs, each * QUEUE_ITEM_RECIPIENTS_MAX)
      let items = 0
      for (const [entryLsn, rows] of Map.groupBy(due, (row) => row.entry)) {
        if (items >= each || chosen.length >= itemsMax) break
        if (this.#locks.isLocked(entryLsn)) continue
        const entry = index.queue.entry(entryLsn)
        if (entry === null) continue
        const author = entry.account === null ? null : this.#core.accounts.get(entry.account)
        if (author?.suspended) {
          suspended.push({ entry, rows })
          continue
        }
        items++
        const attempt = toLsn(pipeline.nextLsn + chosen.length)
        chosen.push({ entry, rows: rows.slice(0, QUEUE_ITEM_RECIPIENTS_MAX), attempt })
      }
    }
    const all = [...chosen, ...suspended]
    if (all.length === 0) return []
    const release = this.#locks.lockFree(all.map(({ entry }) => entry.entry))
    try {
      await pipeline.commit([
        ...chosen.map(({ entry, rows }) => ({
          type: RecordType.queueAttempt,
          entry: entry.entry,
          atMs: nowMs,
          places: rows.map(({ place }) => place),
        })),
        ...suspended.map(({ entry, rows }) => heldFact(entry.entry, rows, SUSPENDED)),
      ])
    } finally {
      release()
      for (const { rows } of all) for (const { destination } of rows) this.#look(destination)
    }
    const startedMs = clock.monotonicMs()
    return chosen.map(({ entry, rows, attempt }) => {
      const destination = rows[0]?.destination ?? ''
      this.#attempts.given({ attempt, entry: entry.entry, destination }, owner, startedMs)
      return item(entry, rows, attempt, destination)
    })
  }

  /** Decides and commits the results of those recipients that are in `rows`. */
  async #settle(
    entry: QueueEntryRow,
    rows: ReadonlyMap<number, QueueRecipientRow>,
    results: readonly RecipientResult[],
  ): Promise<void> {
    const { clock, random } = this.#core
    const nowMs = clock.nowMs()
    const deferred: QueueDefer['recipients'][number][] = []
    const done: QueueDone['recipients'][number][] = []
    const told: Notified[] = []
    for (const result of results) {
      const row = rows.get(result.place)
      if (row === undefined) {
        this.#results.stale++
        continue
      }
      const decision = decideResult(entry, row, result, nowMs, random.fraction())
      this.#results[decision.kind === 'done' && decision.outcome === 'expired' ? 'expired' : result.kind]++
      const { reply, remote } = result
      if (decision.notice !== null) told.push({ row, notice: decision.notice, reply, remote })
      if (decision.kind === 'defer') deferred.push(decision.recipient)
      else done.push({ place: row.place, outcome: decision.outcome, reply })
    }
    await this.#write(entry, deferred, done, told, nowMs)
  }

  /** One step: who stays, who is done, and the notification about both. */
  async #write(
    entry: QueueEntryRow,
    deferred: QueueDefer['recipients'],
    done: QueueDone['recipients'],
    told: readonly Notified[],
    nowMs: number,
  ): Promise<void> {
    if (deferred.length === 0 && done.length === 0) return
    const letter = told.length === 0 ? null : await this.#notification(entry, told, nowMs)
    this.#core.check()
    const facts: (QueueDefer | QueueDone | QueueAdd)[] = []
    if (deferred.length > 0) facts.push({ type: RecordType.queueDefer, entry: entry.entry, recipients: deferred })
    if (done.length > 0) facts.push({ type: RecordType.queueDone, entry: entry.entry, atMs: nowMs, recipients: done })
    if (letter === null) {
      await this.#core.pipeline.commit(facts)
      return
    }
    const body = { lsns: [this.#core.pipeline.nextLsn], sizeBytes: letter.byteLength }
    facts.push({
      type: RecordType.queueAdd,
      account: null,
      kind: 'notification',
      reversePath: '', // RFC 5321 section 4.5.5: nobody answers a notification
      traceId: entry.traceId,
      addedMs: nowMs,
      dueMs: nowMs,
      expiresMs: expiryMs('notification', nowMs),
      deliveryId: null,
      eightBit: entry.eightBit && entry.ret === 'FULL',
      smtpUtf8: false,
      ret: null,
      envid: null,
      headerBlock: new Uint8Array(0),
      body,
      recipients: [
        { address: entry.reversePath, destination: destinationOf(entry.reversePath), notify: [], orcpt: null },
      ],
    })
    await this.#core.pipeline.commit(facts, [{ type: RecordType.body, meta: BODY_META, body: [letter] }])
    this.#notifications++
  }

  async #notification(entry: QueueEntryRow, told: readonly Notified[], nowMs: number): Promise<Buffer> {
    const { headerBlock } = entry
    const original = messageBytes(this.#core.bodies, entry)
    const whole =
      entry.ret === 'FULL' &&
      original.sizeBytes <= RETURNED_BYTES_MAX &&
      told.some(({ notice }) => notice === 'failed' || notice === 'expired')
    const bytes = await original.read(
      0,
      whole ? original.sizeBytes : headerBlock.byteLength + RETURNED_HEADER_BYTES_MAX,
    )
    const recipients = told.map(
      ({ row, notice, reply, remote }): NotifiedRecipient => ({
        address: row.address,
        orcpt: row.orcpt,
        notice,
        reply,
        remote,
      }),
    )
    return notificationLetter({
      hostname: this.#hostname,
      to: entry.reversePath,
      envid: entry.envid,
      addedMs: entry.addedMs,
      expiresMs: entry.expiresMs,
      nowMs,
      id: randomId(this.#core.random, ID_CHARACTERS),
      recipients,
      returned: { kind: whole ? 'whole' : 'header', bytes: whole ? bytes : headerOf(bytes), eightBit: entry.eightBit },
    })
  }

  /** Holds, releases, hastens or drops what an order means. @returns How many recipients */
  async #change(
    order: Extract<QueueOrder, { filter: unknown }> & { kind: Exclude<QueueOrder['kind'], 'list'> },
  ): Promise<number> {
    const { queue } = this.#core.index
    let changed = 0
    for (let after = order.filter.entry === undefined ? 0 : order.filter.entry - 1; ; ) {
      const entries = queue.openEntries(after, order.filter.entry === undefined ? 500 : 1)
      for (const { entry: lsn } of entries) {
        after = lsn
        changed += await this.#locks.run(lsn, async () => {
          const entry = queue.entry(lsn)
          if (entry === null) return 0
          const rows = queue.recipients(lsn).filter((row) => matches(order.filter, entry, row))
          const nowMs = this.#core.clock.nowMs()
          const { deferred, done } = changesOf(order.kind, rows, nowMs)
          await this.#write(entry, deferred, done, [], nowMs)
          for (const { destination } of rows) this.#look(destination)
          return deferred.length + done.length
        })
      }
      if (entries.length === 0 || order.filter.entry !== undefined) break
    }
    this.#poke()
    return changed
  }

  /** Attempts whose sender has gone: their recipients wait again. */
  async #endDoubt(): Promise<void> {
    const { index, clock, random } = this.#core
    for (const { attempt, entry: lsn, destination } of this.#attempts.due(clock.monotonicMs())) {
      await this.#locks.run(lsn, async () => {
        const entry = index.queue.entry(lsn)
        const rows = entry === null ? [] : index.queue.recipients(lsn).filter((row) => row.attempt === attempt)
        if (entry !== null && this.#attempts.due(clock.monotonicMs()).some((one) => one.attempt === attempt)) {
          const nowMs = clock.nowMs()
          const interrupted = { kind: 'deferred', reply: INTERRUPTED, remote: '', dsn: false } as const
          const deferred = rows.flatMap((row) => {
            const decision = decideResult(
              entry,
              row,
              interrupted,
              Math.min(nowMs, entry.expiresMs - 1),
              random.fraction(),
            )
            return decision.kind === 'defer' ? [{ ...decision.recipient, dueMs: nowMs, warned: row.warned }] : []
          })
          await this.#write(entry, deferred, [], [], nowMs)
          this.#attempts.over(attempt)
        } else if (entry === null) this.#attempts.over(attempt)
      })
      this.#look(destination)
    }
    this.#poke()
  }

  #watchDoubt(): void {
    this.#cancelDoubt()
    const nextMs = this.#attempts.nextMs()
    if (nextMs === null || this.#stopped) return
    const { clock } = this.#core
    this.#cancelDoubt = clock.after(Math.max(0, nextMs - clock.monotonicMs()), () => {
      this.#endDoubt()
        .catch((error: unknown) => this.#expected(error))
        .finally(() => this.#watchDoubt())
    })
  }

  /** Gives up letters whose time is over although nobody tried them, and forgets those that are long done. */
  #sweep(): void {
    if (this.#stopped || !this.#core.serving) return
    const { clock, index, limits } = this.#core
    index.sweepQueue(clock.nowMs() - limits.deliveryMemoryMs, SWEEP_ENTRIES * 10)
    this.#expire()
      .then(() => this.#endDoubt())
      .catch((error: unknown) => this.#expected(error))
      .finally(() => {
        if (!this.#stopped) this.#cancelSweep = clock.after(SWEEP_INTERVAL_MS, () => this.#sweep())
      })
  }

  async #expire(): Promise<void> {
    const { index, clock } = this.#core
    // One interval later than the end: the last try, which is due then, comes first.
    for (const lsn of index.queue.expired(clock.nowMs() - SWEEP_INTERVAL_MS, SWEEP_ENTRIES)) {
      await this.#locks.run(lsn, async () => {
        const entry = index.queue.entry(lsn)
        if (entry === null) return
        const rows = index.queue.recipients(lsn).filter((row) => row.state === 'waiting')
        const told = rows.flatMap((row): Notified[] =>
          wants(entry, row, 'expired') ? [{ row, notice: 'expired', reply: row.reply, remote: row.remote }] : [],
        )
        const done = rows.map(({ place, reply }) => ({ place, outcome: 'expired' as const, reply }))
        this.#results.expired += done.length
        await this.#write(entry, [], done, told, clock.nowMs())
        for (const { destination } of rows) this.#look(destination)
      })
    }
  }

  /** The store refuses while it changes its role or its disk is full: what was meant is done later, or by the next primary. */
  #expected(error: unknown): void {
    if (this.#stopped || error instanceof StoreError || errorCode(error)?.startsWith('LOG_')) return
    queueMicrotask(() => {
      throw error
    })
  }

  #look(destination: string): void {
    if (this.#stopped || !this.#core.serving) return
    this.#destinations.set(destination, this.#core.index.queue.destinationDueMs(destination))
  }

  #poke(): void {
    const { resolve } = this.#wake
    this.#wake = Promise.withResolvers<void>()
    resolve()
  }

  #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#core.clock.after(ms, resolve)
    void this.#wake.promise.then(() => {
      cancel()
      resolve()
    })
    return promise
  }
}

function item(entry: QueueEntryRow, rows: readonly QueueRecipientRow[], attempt: Lsn, destination: string): QueueItem {
  const { account, reversePath, traceId, addedMs, eightBit, smtpUtf8, ret, envid, headerBlock, body } = entry
  return {
    attempt,
    entry: entry.entry,
    account,
    reversePath,
    traceId,
    destination,
    addedMs,
    sizeBytes: headerBlock.byteLength + body.sizeBytes,
    headerBytes: headerBlock.byteLength,
    eightBit,
    smtpUtf8,
    ret,
    envid,
    recipients: rows.map(({ place, address, notify, orcpt }) => ({
      place,
      address,
      notify: notify === null ? null : [...notify],
      orcpt,
    })),
  }
}

function heldFact(entry: Lsn, rows: readonly QueueRecipientRow[], reply: string): QueueDefer {
  return {
    type: RecordType.queueDefer,
    entry,
    recipients: rows.map(({ place, attempts, dueMs, warned }) => ({
      place,
      attempts,
      dueMs,
      held: true,
      warned,
      reply,
      remote: '',
    })),
  }
}

/** Up to and with the CRLF of the last field. */
function headerOf(bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = buffer.indexOf('\r\n\r\n')
  if (end !== -1) return buffer.subarray(0, end + 2)
  return buffer.subarray(0, buffer.lastIndexOf('\r\n') + 2)
}
