/**
 * Letters that the policy keeps away from those they were for, until an administrator looks: listed, read, released, deleted, gone in the
 * end. They belong to an account of the shard's own, so everything that holds for letters holds for them.
 */
import { createHash } from 'node:crypto'
import {
  QUARANTINE,
  QUARANTINE_SHOWN_BYTES_MAX,
  type QuarantinedLetter,
  type QuarantineFilter,
  type QuarantineOrder,
  type QuarantineReport,
} from '#lib/frames/quarantine.ts'
import type { DeliveryRecipient } from '#lib/frames/shard-protocol.ts'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { type AccountId, toAccountId, toUid, type Uid } from '#lib/mail/types.ts'
import { decodeWords, Headers } from '#lib/mime/mod.ts'
import { StoreError } from '../errors.ts'
import type { MessageRow, MessageSource } from '../index/port.ts'
import type { AccountCommands } from '../mailbox/account-commands.ts'
import type { AccountState } from '../mailbox/account-state.ts'
import { messageBytes } from '../mailbox/message-bytes.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import { type MessagesAdd, type MessagesExpunge, RecordType } from '../records/types.ts'
import { DAY_MS, type DigestPorts, sendDigests } from './digests.ts'
import { matches, type Quarantined, readQuarantined, withOwner } from './quarantined.ts'

/** No directory has it: accounts made by provisioning have ids by chance. */
export const QUARANTINE_ACCOUNT: AccountId = toAccountId('quarantinesystem')

/** Letters that one order looks at before it answers; a list goes on from there. */
const LOOKED_AT_MAX = 500
/** Letters that one turn of the sweep looks at. */
const SWEPT_MAX = 500
const SWEEP_EVERY_MS = 60 * 60_000
/** Letters of one day that digests speak of: who has more looks at the list. */
const DIGESTED_MAX = 10_000
/** Of a letter's header, for a list: From and Subject come early. */
const HEADER_BYTES = 16 * 1024
const SHOWN_CHARACTERS_MAX = 200

interface Found {
  readonly row: MessageRow
  readonly source: MessageSource
  readonly facts: Quarantined
}

const NOTHING: QuarantineReport = { letters: [], next: null, changed: 0, bytes: null }

export class Quarantine {
  readonly #core: StoreCore
  readonly #commands: Pick<AccountCommands, 'run'>
  readonly #keepMs: number
  /** Number of the last letter that the sweep under way has looked at; null: none is. */
  #sweptTo: number | null = null
  #sweepAtMs = 0
  #sweeping = false
  readonly #digests: DigestPorts | null
  /** Days since 1970 at whose beginning digests were sent last by this process. */
  #digestDay = 0

  constructor(
    core: StoreCore,
    commands: Pick<AccountCommands, 'run'>,
    options: {
      /** How long a letter stays. */
      readonly keepMs: number
      /** Null: people are not told what was kept back from them. */
      readonly digests: DigestPorts | null
    },
  ) {
    this.#core = core
    this.#commands = commands
    this.#keepMs = options.keepMs
    this.#digests = options.digests
  }

  /** Letters that are here. */
  get count(): number {
    return this.#account() === null ? 0 : this.#inbox().messages
  }

  /** Makes the account where it is missing, before a letter comes. @throws {StoreError} */
  async open(): Promise<void> {
    if (this.#account() !== null) return
    await this.#commands.run({
      kind: 'own',
      account: QUARANTINE_ACCOUNT,
      generation: 1,
      quotaBytes: null,
      locale: 'en',
    })
  }

  /** Where a recipient's letter goes that belongs here; all others as they are. The recipient must be served by this shard. */
  static placed(recipient: DeliveryRecipient): DeliveryRecipient {
    if (recipient.mailbox !== QUARANTINE) return recipient
    const headerBlock = withOwner(recipient.headerBlock, recipient.account)
    return { ...recipient, account: QUARANTINE_ACCOUNT, mailbox: 'INBOX', headerBlock }
  }

  /** @throws {StoreError} STORE_NO_ENTRY for a letter that is not here, and what a delivery to its owner fails with */
  async order(order: QuarantineOrder): Promise<QuarantineReport> {
    this.#core.check()
    switch (order.kind) {
      case 'list':
        return await this.#list(order.filter, order.before, order.rowsMax)
      case 'read': {
        const { source } = this.#letter(order.letter)
        const bytes = await messageBytes(this.#core.bodies, source).read(0, QUARANTINE_SHOWN_BYTES_MAX)
        return { ...NOTHING, bytes: Buffer.from(bytes).toString('base64') }
      }
      case 'release':
        await this.#release(this.#letter(order.letter))
        return { ...NOTHING, changed: await this.#expunge([toUid(order.letter)]) }
      case 'delete': {
        const uids: Uid[] = []
        for (const { row } of this.#matching(order.filter, null)) uids.push(row.uid)
        return { ...NOTHING, changed: await this.#expunge(uids) }
      }
      default:
        return order satisfies never
    }
  }

  /** Takes out what is too old, and what was for accounts that were deleted; a little at a time. Tells people once a day. */
  async sweep(): Promise<void> {
    if (this.#sweeping || this.#account() === null) return
    this.#sweeping = true
    try {
      await this.#sweepSome()
      await this.#tellPeople()
    } finally {
      this.#sweeping = false
    }
  }

  async #sweepSome(): Promise<void> {
    const nowMs = this.#core.clock.nowMs()
    if (this.#sweptTo === null && nowMs < this.#sweepAtMs) return
    const after = this.#sweptTo ?? 0
    const uids = this.#uids().filter((uid) => uid > after)
    const looked = uids.slice(0, SWEPT_MAX)
    const gone = looked.filter((uid) => {
      const found = this.#find(uid)
      if (found === null) return false
      const owner = this.#core.index.account(found.facts.owner)
      return found.row.internalDateMs + this.#keepMs <= nowMs || owner?.status === 'deleted'
    })
    this.#sweptTo = uids.length > looked.length ? (looked.at(-1) ?? null) : null
    if (this.#sweptTo === null) this.#sweepAtMs = nowMs + SWEEP_EVERY_MS
    await this.#expunge(gone.map(toUid))
  }

  async #tellPeople(): Promise<void> {
    const nowMs = this.#core.clock.nowMs()
    const day = Math.floor(nowMs / DAY_MS)
    if (this.#digests === null || day === this.#digestDay) return
    const letters: QuarantinedLetter[] = []
    for (const uid of this.#uids().toReversed()) {
      const found = this.#find(uid)
      if (found === null) continue
      const came = Math.floor(found.row.internalDateMs / DAY_MS)
      if (came < day - 1 || letters.length >= DIGESTED_MAX) break
      if (came === day - 1) letters.push(await this.#told(found))
    }
    await sendDigests(letters.toReversed(), day - 1, nowMs, this.#digests)
    this.#digestDay = day
  }

  async #list(filter: QuarantineFilter, before: number | null, rowsMax: number): Promise<QuarantineReport> {
    const letters: QuarantinedLetter[] = []
    let looked = 0
    for (const uid of this.#uids().toReversed()) {
      if (before !== null && uid >= before) continue
      if (looked >= LOOKED_AT_MAX || letters.length >= rowsMax) return { ...NOTHING, letters, next: uid + 1 }
      looked++
      const found = this.#find(uid)
      if (found !== null && this.#fits(filter, found)) letters.push(await this.#told(found))
    }
    return { ...NOTHING, letters }
  }

  *#matching(filter: QuarantineFilter, before: number | null): Generator<Found> {
    for (const uid of this.#uids()) {
      if (before !== null && uid >= before) continue
      const found = this.#find(uid)
      if (found !== null && this.#fits(filter, found)) yield found
    }
  }

  #fits(filter: QuarantineFilter, { row, facts }: Found): boolean {
    return (filter.letter === undefined || filter.letter === row.uid) && matches(filter, facts)
  }

  async #told({ row, source, facts }: Found): Promise<QuarantinedLetter> {
    const start = source.headerBlock.byteLength
    const bytes = await messageBytes(this.#core.bodies, source).read(start, HEADER_BYTES)
    const header = new Headers(bytes)
    const text = (name: string) => decodeWords(header.first(name) ?? '').slice(0, SHOWN_CHARACTERS_MAX)
    const { owner, to, from, reasons } = facts
    return {
      letter: row.uid,
      account: owner,
      to,
      from,
      author: text('From'),
      subject: text('Subject'),
      receivedMs: row.internalDateMs,
      expiresMs: row.internalDateMs + this.#keepMs,
      sizeBytes: row.sizeBytes,
      reasons: [...reasons],
    }
  }

  /** Stores the letter with its owner: the same bytes, a row of its own. Exclusive, so that two at once store it once. */
  async #release({ row, source, facts }: Found): Promise<void> {
    const { index, clock } = this.#core
    const deliveryId = releaseId(this.#inbox().uidValidity, row.uid)
    const sizeBytes = facts.headerBlock.byteLength + source.body.sizeBytes
    await this.#core.exclusive(facts.owner, (owner) => {
      const answer = () => undefined
      if (index.delivery(deliveryId) !== null) return { steps: [], answer }
      // Deleted while this waited: its bytes may go at any time.
      this.#letter(row.uid)
      if (owner.suspended) {
        throw new StoreError('STORE_SUSPENDED', `Cannot release to account ${facts.owner}: it is suspended`)
      }
      if (!owner.fits(sizeBytes)) {
        throw new StoreError('STORE_OVER_QUOTA', `Cannot release to account ${facts.owner}: it would be over its quota`)
      }
      const inbox = owner.inbox()
      const uid = inbox.takeUid()
      const record: MessagesAdd = {
        type: RecordType.messagesAdd,
        account: owner.id,
        mailbox: inbox.id,
        messages: [
          {
            uid,
            modSeq: owner.takeModSeq(),
            flags: NO_FLAGS,
            internalDateMs: row.internalDateMs,
            saveDateMs: clock.nowMs(),
            emailId: row.emailId,
            headerBlock: facts.headerBlock,
            body: source.body,
          },
        ],
        deliveryId,
        traceId: '',
      }
      const released = () => this.#core.onSorted({ kind: 'other', account: owner.id, mailbox: inbox.id, uids: [uid] })
      return { steps: [[record]], answer: released }
    })
  }

  /** @returns How many were there. */
  async #expunge(uids: readonly Uid[]): Promise<number> {
    if (uids.length === 0) return 0
    const inbox = this.#inbox()
    const step = this.#core.limits.messagesPerStepMax
    let expunged = 0
    await this.#core.exclusive(QUARANTINE_ACCOUNT, (account) => {
      const there = uids.filter((uid) => this.#core.index.message(inbox.key, uid) !== null)
      expunged = there.length
      const parts = Array.from({ length: Math.ceil(there.length / step) }, (_, i) =>
        there.slice(i * step, (i + 1) * step),
      )
      const steps = parts.map((part): [MessagesExpunge] => [
        {
          type: RecordType.messagesExpunge,
          account: account.id,
          mailbox: inbox.id,
          modSeq: account.takeModSeq(),
          uids: part,
        },
      ])
      return { steps, answer: () => undefined }
    })
    return expunged
  }

  /** @throws {StoreError} STORE_NO_ENTRY */
  #letter(letter: number): Found {
    const found = this.#account() === null ? null : this.#find(letter)
    if (found !== null) return found
    throw new StoreError(
      'STORE_NO_ENTRY',
      `Cannot find letter ${letter} in quarantine: it was released, deleted or is too old`,
    )
  }

  #find(uid: number): Found | null {
    const { key } = this.#inbox()
    const row = this.#core.index.message(key, toUid(uid))
    const source = row === null ? null : this.#core.index.source(key, toUid(uid))
    const facts = source === null ? null : readQuarantined(source.headerBlock)
    return row === null || source === null || facts === null ? null : { row, source, facts }
  }

  /** Ascending. */
  #uids(): readonly number[] {
    return this.#account() === null ? [] : Array.from(this.#core.index.uids(this.#inbox().key))
  }

  #inbox() {
    return this.#core.account(QUARANTINE_ACCOUNT).inbox().row
  }

  #account(): AccountState | null {
    return this.#core.accounts.get(QUARANTINE_ACCOUNT)
  }
}

/** The same at each try, and for no other letter: 16 bytes. */
function releaseId(uidValidity: number, uid: Uid): Buffer {
  return createHash('sha256').update(`release from quarantine ${uidValidity} ${uid}`).digest().subarray(0, 16)
}
