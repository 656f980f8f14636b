/**
 * Copies what an account is from the index and the log of the source to the target, in rounds: each goes on where the one before it was,
 * in the order of what changed last (MODSEQ), so that a round finds only what is new. What the target has is asked, never assumed.
 *
 * Bounded: a page of facts and a piece of bodies at a time. Between two pages others are served.
 */
import { createHash } from 'node:crypto'
import type { MoveAnswer } from '#lib/frames/move.ts'
import { type Lsn, type MailboxId, toLsn } from '#lib/mail/types.ts'
import type { CopyRow, MoveRow } from '../index/move-rows.ts'
import type { AccountRow, MailboxRow } from '../index/port.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import { encodeRecord } from '../records/codec.ts'
import type { CopiedMetadata, CopyAccount, CopyCursor, CopyMessages, MoveReady } from '../records/move-records.ts'
import { type MailboxMetadata, RecordType } from '../records/types.ts'
import type { Pace } from '../upkeep/pace.ts'
import { type BatchRecord, encodeBatch } from './batch.ts'
import { BATCH_BYTES, BODIES_REMEMBERED, ENTRIES_PER_RECORD, FACT_BYTES_MAX, PAGE_BYTES, PAGE_ROWS } from './limits.ts'
import type { MovePeer } from './peer.ts'

/** The target answered something other than that it goes on. */
export class CopyStopped extends Error {
  override readonly name = 'CopyStopped'
  readonly answer: MoveAnswer

  constructor(answer: MoveAnswer) {
    super(`The target answered ${answer.state}: ${answer.reason}`)
    this.answer = answer
  }
}

export interface CopierOptions {
  readonly core: StoreCore
  readonly move: MoveRow
  readonly peer: MovePeer
  /** Awaited after so many bytes; false: stop. */
  readonly pace: Pace
  /** This shard's name. */
  readonly source: MoveRow['peer']
}

const NO_BYTES = new Uint8Array(0)

export class Copier {
  readonly #options: CopierOptions
  readonly #cursors = new Map<MailboxId, CopyCursor>()
  /** UIDNEXT of mailboxes when the target had all of them. */
  readonly #complete = new Map<MailboxId, number>()
  /** Mailboxes that had nothing more, as they were then. */
  readonly #done = new Map<MailboxId, string>()
  /** Records of bodies that the target has named since `#anew`. */
  readonly #sent = new Set<Lsn>()
  #anew = true
  #metadataSent = ''
  #batch: BatchRecord[] = []
  #batchBytes = 0
  /** Pieces of bodies in `#batch`, not yet acknowledged. */
  readonly #batchBodies = new Set<Lsn>()
  #paced = true
  messages = 0
  bytes = 0

  constructor(options: CopierOptions) {
    this.#options = options
  }

  /**
   * Copies what changed since the last round. @param readyUpTo Writes wait for it: the target has everything up to this LSN then
   * @returns How many changes it found. @throws {CopyStopped}; what the log, the index or the link throw: begin a new copier
   */
  async round(readyUpTo: Lsn | null = null): Promise<number> {
    this.#paced = readyUpTo === null
    const { core, move } = this.#options
    const account = core.index.account(move.account)
    if (account === null) return 0
    const mailboxes = core.index.mailboxes(account.key)
    await this.#account(account, mailboxes)
    let changes = 0
    for (const mailbox of mailboxes) changes += await this.#mailbox(mailbox)
    if (readyUpTo !== null) this.#add({ type: RecordType.moveReady, account: move.account, upTo: readyUpTo })
    await this.#send()
    return changes
  }

  /** What it is but its messages. Annotations may be many: they follow in records of their own, in place of those of before. */
  async #account(account: AccountRow, mailboxes: readonly MailboxRow[]): Promise<void> {
    const { index } = this.#options.core
    const metadata: CopiedMetadata[] = [
      { mailbox: null, entries: index.metadata(account.key, null) },
      ...mailboxes.map(({ id, key }) => ({ mailbox: id, entries: index.metadata(account.key, key) })),
    ].filter(({ entries }) => entries.length > 0)
    const sum = hashOf(metadata)
    const known = sum === this.#metadataSent
    this.#metadataSent = sum
    this.#add(this.#accountFact(account, mailboxes, known ? null : []))
    if (known) return
    for (const { mailbox, entries } of metadata) {
      for (let at = 0; at < entries.length; at += ENTRIES_PER_RECORD) {
        const some = entries.slice(at, at + ENTRIES_PER_RECORD)
        this.#add({ type: RecordType.mailboxMetadata, account: account.id, mailbox, entries: some })
        if (this.#batchBytes >= BATCH_BYTES) await this.#send()
      }
    }
  }

  #accountFact(
    account: AccountRow,
    mailboxes: readonly MailboxRow[],
    metadata: readonly CopiedMetadata[] | null,
  ): CopyAccount {
    const { index } = this.#options.core
    return {
      type: RecordType.copyAccount,
      account: account.id,
      upTo: index.appliedLsn,
      quotaBytes: account.quotaBytes,
      suspended: account.status === 'suspended',
      modSeq: account.modSeq,
      uidValidityMax: account.uidValidityMax,
      mailboxes: mailboxes.map(({ id, key, name, uidValidity, specialUse, uidNext, highestModSeq, recentUpTo }) => ({
        id,
        name,
        uidValidity,
        specialUse,
        uidNext,
        highestModSeq,
        recentUpTo,
        keywords: index.keywords(key),
        gaps: index.moves.gaps(key),
      })),
      subscriptions: index.subscriptions(account.key),
      metadata,
    }
  }

  async #mailbox(mailbox: MailboxRow): Promise<number> {
    const state = `${mailbox.highestModSeq}/${mailbox.uidNext}`
    if (this.#done.get(mailbox.id) === state) return 0
    const { core } = this.#options
    let cursor = this.#cursors.get(mailbox.id) ?? null
    if (cursor === null) {
      // The mailbox must be there before it is asked for.
      await this.#send()
      cursor = (await this.#missing(mailbox.id, [])).cursor
    }
    let changes = 0
    for (;;) {
      const { moves } = core.index
      const rows = bounded(moves.messagesAfter(mailbox.key, cursor, PAGE_ROWS))
      const gone = moves.goneAfter(mailbox.key, cursor, PAGE_ROWS)
      const deliveries = moves.deliveriesAfter(mailbox.key, cursor.deliveryUid, PAGE_ROWS)
      const count = rows.length + gone.length + deliveries.length
      if (count === 0) {
        this.#complete.set(mailbox.id, moves.uidNext(mailbox.key))
        break
      }
      changes += rows.length + gone.length
      const missing = await this.#missingOf(mailbox.id, rows)
      cursor = {
        modSeq: rows.at(-1)?.modSeq ?? cursor.modSeq,
        uid: rows.at(-1)?.uid ?? cursor.uid,
        goneModSeq: gone.at(-1)?.modSeq ?? cursor.goneModSeq,
        goneUid: gone.at(-1)?.uid ?? cursor.goneUid,
        deliveryUid: deliveries.at(-1)?.uid ?? cursor.deliveryUid,
      }
      const fact: CopyMessages = {
        type: RecordType.copyMessages,
        account: this.#options.move.account,
        mailbox: mailbox.id,
        messages: rows.filter(({ uid }) => missing.has(uid)),
        flags: rows.filter(({ uid }) => !missing.has(uid)).map(({ uid, modSeq, flags }) => ({ uid, modSeq, flags })),
        gone,
        deliveries,
        cursor,
      }
      for (const { body } of fact.messages) for (const lsn of body.lsns) await this.#body(lsn)
      this.#add(fact)
      this.messages += fact.messages.length
      // A full page: what the next one finds must follow from what is there now.
      if (count >= PAGE_ROWS || this.#batchBytes >= BATCH_BYTES) await this.#send()
      this.#cursors.set(mailbox.id, cursor)
    }
    this.#done.set(mailbox.id, state)
    return changes
  }

  /** Which of the messages the target does not have yet. */
  async #missingOf(mailbox: MailboxId, rows: readonly CopyRow[]): Promise<ReadonlySet<number>> {
    const uidNext = this.#complete.get(mailbox)
    if (uidNext !== undefined) {
      // Everything was there once: what is new since has a new UID.
      return new Set(rows.filter(({ uid }) => uid >= uidNext).map(({ uid }) => uid))
    }
    return rows.length === 0 ? NONE : (await this.#missing(mailbox, uidsOf(rows))).missing
  }

  async #missing(
    mailbox: MailboxId,
    uids: readonly number[],
  ): Promise<{ readonly cursor: CopyCursor; readonly missing: ReadonlySet<number> }> {
    const { peer, move, source } = this.#options
    // What is on its way would be missing, and copied twice.
    await this.#send()
    const { account, move: name } = move
    const answer = await peer.ask({ kind: 'missing', account, move: name, source, mailbox, uids: [...uids] })
    if (answer.state !== 'copying' && answer.state !== 'ready') throw new CopyStopped(answer)
    return { cursor: answer.cursor ?? NOTHING, missing: new Set(answer.missing) }
  }

  /** One record of a body, unless the target has it already. */
  async #body(lsn: Lsn): Promise<void> {
    if (this.#sent.has(lsn) || this.#batchBodies.has(lsn)) return
    const { type, meta, body } = await this.#options.core.log.read(lsn)
    if (this.#batch.length > 0 && this.#batchBytes + body.byteLength > BATCH_BYTES) await this.#send()
    this.#batch.push({ type, lsn, meta, body })
    this.#batchBytes += body.byteLength + meta.byteLength
    this.#batchBodies.add(lsn)
  }

  #add(fact: CopyAccount | CopyMessages | MailboxMetadata | MoveReady): void {
    const meta = encodeRecord(fact)
    if (meta.byteLength > FACT_BYTES_MAX) {
      const reason = `it has more mailboxes, names and keywords than ${FACT_BYTES_MAX} bytes hold`
      throw new CopyStopped({ ...STOPPED, state: 'refuses', reason })
    }
    this.#batch.push({ type: fact.type, lsn: toLsn(0), meta, body: NO_BYTES })
    this.#batchBytes += meta.byteLength
  }

  async #send(): Promise<void> {
    if (this.#batch.length === 0) return
    const { peer, move, source, pace } = this.#options
    const { account, move: name } = move
    const bytes = this.#batchBytes
    const batch = encodeBatch({ account, move: name, source, anew: this.#anew, records: this.#batch })
    this.#batch = []
    this.#batchBytes = 0
    const answer = await peer.copy(batch)
    if (answer.state !== 'copying' && answer.state !== 'ready') throw new CopyStopped(answer)
    this.#anew = false
    for (const lsn of this.#batchBodies) this.#sent.add(lsn)
    this.#batchBodies.clear()
    if (this.#sent.size > BODIES_REMEMBERED) {
      this.#sent.clear()
      this.#anew = true
    }
    this.bytes += bytes
    if (this.#paced && !(await pace(bytes))) throw new CopyStopped({ ...STOPPED, reason: 'the source stops' })
  }
}

const NONE: ReadonlySet<number> = new Set()
const NOTHING: CopyCursor = { modSeq: 0, uid: 0, goneModSeq: 0, goneUid: 0, deliveryUid: 0 }
const STOPPED: MoveAnswer = { state: 'again', generation: 0, reason: '', cursor: null, missing: [] }

function uidsOf(rows: readonly CopyRow[]): number[] {
  return rows.map(({ uid }) => uid)
}

/** As many of the rows as one record may hold. */
function bounded(rows: readonly CopyRow[]): readonly CopyRow[] {
  let bytes = 0
  const end = rows.findIndex(({ headerBlock }) => {
    bytes += headerBlock.byteLength + 256
    return bytes > PAGE_BYTES
  })
  return end === -1 ? rows : rows.slice(0, Math.max(1, end))
}

function hashOf(metadata: readonly CopiedMetadata[]): string {
  const sum = createHash('sha256')
  for (const { mailbox, entries } of metadata) {
    sum.update(`${mailbox ?? ''}\0`)
    for (const { name, value } of entries) sum.update(`${name}\0${value.byteLength}\0`).update(value)
  }
  return sum.digest('base64')
}
