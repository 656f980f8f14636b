/**
 * Folds the records of a log into mailboxes with code of its own (only the encoding of facts is shared), and proves on the way
 * what must be true of any order of facts: UIDs and MODSEQs only grow, no delivery is stored twice, nothing expunged comes back.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import { flagNames } from '#lib/mail/flags.ts'
import type { MailboxId } from '#lib/mail/types.ts'
import { decodeRecord } from '#shard/records/codec.ts'
import { type Body, type NewMailbox, type NewMessage, RecordType, type ShardRecord } from '#shard/records/types.ts'
import type { FinalBox, FinalMessage } from './check-model.ts'
import type { RawLog, RawRecord } from './check-raw.ts'

interface FoldedMessage extends FinalMessage {
  flags: readonly string[]
  present: boolean
  /** What added it is dropped. */
  readonly dropped: boolean
}

interface FoldedBox extends FinalBox {
  exists: boolean
  readonly messages: Map<number, FoldedMessage>
  uidMax: number
}

export class Fold {
  readonly #boxes = new Map<MailboxId, FoldedBox>()
  readonly #modSeq = new Map<string, number>()
  readonly #deliveries = new Set<string>()
  readonly #epochs = new Map<number, string>()
  readonly #records: RawLog
  /** After a recovery by force no mailbox may get what the lost member can have given out. */
  #uidValidityMin = 0
  /** Some record before this one was dropped: it may be what added a message that is expunged later. */
  #dropped = false

  constructor(records: RawLog) {
    this.#records = records
    let epoch = 0
    for (const record of records) {
      if (record === null) {
        this.#dropped = true
        continue
      }
      claim(record.epoch >= epoch, `record ${record.lsn} has epoch ${record.epoch} after ${epoch}`)
      epoch = record.epoch
      const fact = decodeRecord(record.type, record.meta)
      if (!isBody(fact)) this.#fact(fact, record)
    }
    for (const { messages } of this.#boxes.values()) {
      for (const [uid, { present, dropped }] of messages)
        claim(!(present && dropped), `what added UID ${uid} was dropped, and nothing expunged it`)
    }
  }

  get boxes(): FinalBox[] {
    return [...this.#boxes.values()]
  }

  #fact(fact: ShardRecord, { lsn, epoch }: RawRecord): void {
    switch (fact.type) {
      case RecordType.epochStart:
        claim(!this.#epochs.has(epoch), `epoch ${epoch} begins twice, at ${lsn} again`)
        this.#epochs.set(epoch, fact.bootId)
        return
      case RecordType.accountOwn:
        for (const box of fact.mailboxes) this.#create(fact.account, box)
        this.#grow(fact.account, fact.modSeq, lsn)
        return
      case RecordType.mailboxCreate:
        for (const box of fact.mailboxes) this.#create(fact.account, box)
        this.#grow(fact.account, fact.modSeq, lsn)
        return
      case RecordType.mailboxRename:
        for (const box of fact.created) this.#create(fact.account, box)
        this.#grow(fact.account, fact.modSeq, lsn)
        return
      case RecordType.mailboxDelete:
        this.#box(fact.mailbox, lsn).exists = false
        this.#grow(fact.account, fact.modSeq, lsn)
        return
      case RecordType.messagesAdd: {
        if (fact.deliveryId !== null) {
          const id = Buffer.from(fact.deliveryId).toString('hex')
          claim(!this.#deliveries.has(id), `the delivery ${id} is stored twice, at ${lsn} again`)
          this.#deliveries.add(id)
        }
        this.#add(fact.account, fact.mailbox, fact.messages, lsn)
        return
      }
      case RecordType.messagesFlags: {
        const box = this.#box(fact.mailbox, lsn)
        this.#grow(fact.account, fact.modSeq, lsn)
        for (const { uids, flags } of fact.changes) {
          for (const uid of uids) {
            const message = this.#message(box, uid)
            claim(message !== null, `record ${lsn} flags UID ${uid}, which is not there`)
            message.flags = flagNames(flags)
          }
        }
        return
      }
      case RecordType.messagesExpunge:
        this.#grow(fact.account, fact.modSeq, lsn)
        this.#remove(fact.mailbox, fact.uids, lsn)
        return
      case RecordType.messagesMove:
        this.#remove(fact.source, fact.sourceUids, lsn)
        this.#add(fact.account, fact.target, fact.messages, lsn)
        this.#grow(fact.account, fact.modSeq, lsn)
        return
      case RecordType.recoveryJump:
        for (const box of this.#boxes.values()) box.uidMax += fact.uids
        for (const [account, modSeq] of this.#modSeq) this.#modSeq.set(account, modSeq + fact.modSeqs)
        this.#uidValidityMin = Math.max(this.#uidValidityMin, fact.uidValidity + 1)
        return
      case RecordType.accountUpdate:
      case RecordType.accountDelete:
      case RecordType.mailboxSubscribe:
      case RecordType.mailboxRecent:
      case RecordType.mailboxMetadata:
      case RecordType.queueAdd: // nothing leaves the system in these histories
      case RecordType.queueAttempt:
      case RecordType.queueDefer:
      case RecordType.queueDone:
        return
      case RecordType.accountMoved: // no account moves in these histories: sim/moves
      case RecordType.moveBegin:
      case RecordType.moveReady:
      case RecordType.moveCancel:
      case RecordType.moveEnd:
      case RecordType.copyAccount:
      case RecordType.copyMessages:
        claim(false, `record ${lsn} is of a move`)
        return
      default:
        fact satisfies never
    }
  }

  #create(account: string, { id, uidValidity }: NewMailbox): void {
    claim(!this.#boxes.has(id), `mailbox ${id} is made twice`)
    claim(uidValidity >= this.#uidValidityMin, `mailbox ${id} has UIDVALIDITY ${uidValidity} after a recovery`)
    this.#boxes.set(id, { account, uidValidity, exists: true, messages: new Map(), uidMax: 0 })
  }

  #add(account: string, mailbox: MailboxId, messages: readonly NewMessage[], lsn: number): void {
    const box = this.#box(mailbox, lsn)
    for (const { uid, modSeq, flags, emailId, headerBlock, body } of messages) {
      claim(uid > box.uidMax, `record ${lsn} gives UID ${uid} after ${box.uidMax}`)
      box.uidMax = uid
      this.#grow(account, modSeq, lsn)
      const parts = body.lsns.map((part) => this.#body(part, lsn))
      const bytes = parts.includes(null) ? null : Buffer.concat([headerBlock, ...parts.filter((part) => part !== null)])
      box.messages.set(uid, { bytes, emailId, flags: flagNames(flags), present: true, dropped: false })
    }
  }

  #remove(mailbox: MailboxId, uids: readonly number[], lsn: number): void {
    const box = this.#box(mailbox, lsn)
    for (const uid of uids) {
      const message = this.#message(box, uid)
      claim(message?.present === true, `record ${lsn} removes UID ${uid}, which is not there`)
      message.present = false
    }
  }

  /** Also one of which only the end is left. */
  #message(box: FoldedBox, uid: number): FoldedMessage | null {
    const known = box.messages.get(uid)
    if (known !== undefined || !this.#dropped) return known ?? null
    const message = { bytes: null, emailId: null, flags: [], present: true, dropped: true }
    box.messages.set(uid, message)
    box.uidMax = Math.max(box.uidMax, uid)
    return message
  }

  /** Null: compaction dropped it. */
  #body(lsn: number, from: number): Buffer | null {
    const record = this.#records[lsn - 1]
    claim(record !== undefined && lsn < from, `record ${from} refers to the body ${lsn}, which is not there`)
    return record?.body ?? null
  }

  #box(id: MailboxId, lsn: number): FoldedBox {
    const box = this.#boxes.get(id)
    claim(box?.exists === true, `record ${lsn} is about mailbox ${id}, which is not there`)
    return box
  }

  #grow(account: string, modSeq: number, lsn: number): void {
    const before = this.#modSeq.get(account) ?? 0
    claim(modSeq >= before, `record ${lsn} has MODSEQ ${modSeq} after ${before}`)
    this.#modSeq.set(account, modSeq)
  }
}

function isBody(fact: ReturnType<typeof decodeRecord>): fact is Body {
  return fact.type === RecordType.body || fact.type === RecordType.bodyChunk || fact.type === RecordType.bodyEnd
}

function claim(condition: boolean, words: string): asserts condition {
  if (!condition) throw new AssertionFailure(`Log: ${words}`)
}
