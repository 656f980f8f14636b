/** `OpenMailbox` of `MemoryAccount`. */
import { changeFlags, Flag, sameFlags } from '#lib/mail/flags.ts'
import type { Uid } from '#lib/mail/types.ts'
import type {
  Appended,
  AppendRequest,
  CopyOptions,
  CopyResult,
  MailboxChange,
  MailboxDelta,
  MailboxInfo,
  MailboxStatus,
  MailboxView,
  MessageBytes,
  MessageFacts,
  OpenMailbox,
  StoreRequest,
  StoreResult,
  TextFilter,
  TextWish,
  UidRange,
} from '../store.ts'
import { rangesOf } from '../syntax/ranges.ts'
import type { MemoryAccount } from './memory-account.ts'
import type { MemoryMailbox } from './memory-mailbox.ts'

export class OpenMemoryMailbox implements OpenMailbox {
  readonly info: MailboxInfo
  readonly readOnly: boolean
  readonly view: MailboxView
  readonly #account: MemoryAccount
  readonly #box: MemoryMailbox
  readonly #stopListening: () => void

  constructor(
    account: MemoryAccount,
    box: MemoryMailbox,
    readOnly: boolean,
    listener: (change: MailboxChange) => void,
  ) {
    this.#account = account
    this.#box = box
    this.info = box.info()
    this.readOnly = readOnly
    this.view = box.view()
    this.#stopListening = box.listen(listener)
  }

  async claimRecent(): Promise<number> {
    this.#account.beginWrite()
    return this.#box.claimRecent()
  }

  status(): MailboxStatus {
    return this.#box.status()
  }

  delta(from: MailboxView): MailboxDelta {
    const view = this.#box.view()
    const old = uidsOf(from)
    return {
      view,
      vanished: old.filter((uid) => !this.#box.exists(uid)),
      changed: old.flatMap((uid) => {
        const facts = this.#box.exists(uid) ? this.#box.facts(uid) : null
        return facts !== null && facts.modSeq > from.modSeq ? [facts] : []
      }),
      firstNew: uidsOf(view).filter((uid) => uid < from.uidNext).length,
    }
  }

  facts(uids: readonly Uid[]): MessageFacts[] {
    return uids.flatMap((uid) => this.#box.facts(uid) ?? [])
  }

  changedSince(modSeq: number): Uint32Array {
    return Uint32Array.from(this.#box.uids().filter((uid) => (this.#box.message(uid)?.modSeq ?? 0) > modSeq))
  }

  vanishedSince(modSeq: number): readonly UidRange[] {
    return rangesOf(this.#box.vanishedSince(modSeq))
  }

  keywords(): readonly string[] {
    return this.#box.keywords()
  }

  message(uid: Uid): MessageBytes | null {
    const bytes = this.#box.message(uid)?.bytes
    if (bytes === undefined) return null
    return {
      sizeBytes: bytes.length,
      read: async (offset, length) => bytes.subarray(offset, offset + length),
    }
  }

  async store(request: StoreRequest): Promise<StoreResult> {
    this.#account.beginWrite()
    const modified: Uid[] = []
    let modSeq = 0
    for (const uid of request.uids) {
      const message = this.#box.message(uid)
      if (message === undefined || !this.#box.exists(uid)) continue
      if (request.unchangedSince !== undefined && message.modSeq > request.unchangedSince) {
        modified.push(uid)
        continue
      }
      const flags = changeFlags(message.flags, request.change, request.flags)
      if (sameFlags(flags, message.flags)) continue
      if (modSeq === 0) modSeq = this.#account.nextModSeq()
      this.#box.setFlags(uid, flags, modSeq)
    }
    return { facts: this.facts(request.uids), modified }
  }

  async expunge(uids: readonly Uid[] | null): Promise<readonly Uid[]> {
    this.#account.beginWrite()
    const asked = uids === null ? null : new Set(uids)
    const gone = this.#box.uids().filter((uid) => {
      const deleted = ((this.#box.message(uid)?.flags.system ?? 0) & Flag.deleted) !== 0
      return deleted && (asked === null || asked.has(uid))
    })
    if (gone.length > 0) this.#box.remove(gone, this.#account.nextModSeq())
    return gone
  }

  async copy(uids: readonly Uid[], target: string, options?: CopyOptions): Promise<CopyResult> {
    const account = this.#account.sibling(options?.account)
    account.beginWrite()
    const box = account.target(target)
    const keep = options?.keep ?? ((flags) => flags)
    const source = uids.filter((uid) => this.#box.exists(uid))
    const copies = source.flatMap((uid) => {
      const message = this.#box.message(uid)
      return message === undefined ? [] : [account.copyInto(box, { ...message, flags: keep(message.flags) })]
    })
    return { uidValidity: box.uidValidity, source, target: copies }
  }

  async replace(uid: Uid, request: AppendRequest): Promise<Appended | null> {
    if (!this.#box.exists(uid)) return null
    const appended = await this.#account.appendAll(request.mailbox, [request])
    this.#box.remove([uid], this.#account.nextModSeq())
    return appended
  }

  async move(uids: readonly Uid[], target: string): Promise<CopyResult> {
    const result = await this.copy(uids, target)
    if (result.source.length > 0) this.#box.remove(result.source, this.#account.nextModSeq())
    return result
  }

  async textFilter(wishes: readonly TextWish[]): Promise<TextFilter | null> {
    return this.#account.textFilter?.(wishes) ?? null
  }

  close(): void {
    this.#stopListening()
  }
}

function uidsOf(view: MailboxView): Uid[] {
  return [...view.uids.subarray(0, view.exists)] as Uid[]
}
