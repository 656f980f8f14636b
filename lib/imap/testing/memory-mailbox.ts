/** One mailbox of `MemoryAccount`: messages by UID, the present ones and the expunged ones. */
import { Flag, type Flags } from '#lib/mail/flags.ts'
import { type MailboxId, type ModSeq, toModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import type { MailboxChange, MailboxInfo, MailboxStatus, MailboxView, MessageFacts, SpecialUse } from '../store.ts'

export interface MemoryMessage {
  modSeq: number
  flags: Flags
  readonly internalDateMs: number
  readonly saveDateMs: number
  readonly emailId: string
  readonly bytes: Buffer
}

export class MemoryMailbox {
  readonly id: MailboxId
  name: string
  readonly uidValidity: number
  readonly specialUse: SpecialUse | null
  readonly #listeners = new Set<(change: MailboxChange) => void>()
  /** All messages that ever were, in order of UID. */
  readonly #messages = new Map<Uid, MemoryMessage>()
  /** With the MODSEQ of the expunge. */
  readonly #expunged = new Map<Uid, number>()
  #uidNext = 1
  #modSeq: number
  #recentAbove = 0
  #view: MailboxView | null = null

  constructor(id: MailboxId, name: string, uidValidity: number, specialUse: SpecialUse | null, modSeq: number) {
    this.id = id
    this.name = name
    this.uidValidity = uidValidity
    this.specialUse = specialUse
    this.#modSeq = modSeq
  }

  info(): MailboxInfo {
    const { id, name, uidValidity, specialUse } = this
    return { id, name, uidValidity, specialUse, subscribed: false }
  }

  /** UIDs of the present messages, ascending. */
  uids(): Uid[] {
    return [...this.#messages.keys()].filter((uid) => !this.#expunged.has(uid))
  }

  present(): MemoryMessage[] {
    return this.uids().flatMap((uid) => this.#messages.get(uid) ?? [])
  }

  /** Also an expunged one. */
  message(uid: Uid): MemoryMessage | undefined {
    return this.#messages.get(uid)
  }

  exists(uid: Uid): boolean {
    return this.#messages.has(uid) && !this.#expunged.has(uid)
  }

  facts(uid: Uid): MessageFacts | null {
    const message = this.#messages.get(uid)
    if (message === undefined) return null
    const { flags, internalDateMs, saveDateMs, emailId, bytes } = message
    const modSeq = toModSeq(message.modSeq)
    return { uid, modSeq, flags, internalDateMs, saveDateMs, emailId, sizeBytes: bytes.length }
  }

  vanishedSince(modSeq: number): Uid[] {
    return [...this.#expunged]
      .filter(([, at]) => at > modSeq)
      .map(([uid]) => uid)
      .sort((a, b) => a - b)
  }

  view(): MailboxView {
    if (this.#view === null) {
      const uids = Uint32Array.from(this.uids())
      this.#view = { uids, exists: uids.length, modSeq: this.modSeq, uidNext: this.#uidNext }
    }
    return this.#view
  }

  get modSeq(): ModSeq {
    return toModSeq(this.#modSeq)
  }

  status(): MailboxStatus {
    const present = this.present()
    return {
      messages: present.length,
      unseen: present.filter((message) => (message.flags.system & Flag.seen) === 0).length,
      deleted: present.filter((message) => (message.flags.system & Flag.deleted) !== 0).length,
      recent: this.uids().filter((uid) => uid > this.#recentAbove).length,
      uidNext: this.#uidNext,
      uidValidity: this.uidValidity,
      highestModSeq: this.modSeq,
      sizeBytes: present.reduce((sum, message) => sum + message.bytes.length, 0),
    }
  }

  keywords(): string[] {
    const byFolded = new Map<string, string>()
    for (const message of this.#messages.values()) {
      for (const keyword of message.flags.keywords) {
        const folded = keyword.toLowerCase()
        if (!byFolded.has(folded)) byFolded.set(folded, keyword)
      }
    }
    return [...byFolded.values()].sort()
  }

  claimRecent(): number {
    const before = this.#recentAbove
    this.#recentAbove = this.#uidNext - 1
    return before
  }

  add(message: MemoryMessage): Uid {
    const uid = toUid(this.#uidNext++)
    this.#messages.set(uid, message)
    this.#changed(message.modSeq)
    return uid
  }

  setFlags(uid: Uid, flags: Flags, modSeq: number): void {
    const message = this.#messages.get(uid)
    if (message === undefined) return
    message.flags = flags
    message.modSeq = modSeq
    this.#changed(modSeq)
  }

  remove(uids: readonly Uid[], modSeq: number): void {
    for (const uid of uids) this.#expunged.set(uid, modSeq)
    this.#changed(modSeq)
  }

  listen(listener: (change: MailboxChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(change: MailboxChange): void {
    for (const listener of [...this.#listeners]) listener(change)
  }

  #changed(modSeq: number): void {
    this.#modSeq = Math.max(this.#modSeq, modSeq)
    this.#view = null
    this.tell({ kind: 'changed' })
  }
}
