/**
 * The mailbox that a session has open, as its client believes it to be. The client's picture changes only in `sync()`, and
 * every change is told in the same call: sequence numbers on both sides always mean the same messages (RFC 2180).
 *
 * Invariants: EXPUNGE is told only where the command allows it; until then expunged messages keep their numbers, facts
 * and bytes; flag changes of other sessions are told once, own ones as the STORE asked.
 */
import { CodedError } from '#lib/errors/coded-error.ts'
import { flagNames } from '#lib/mail/flags.ts'
import type { ModSeq, Uid } from '#lib/mail/types.ts'
import { TOLD_MAX, VANISHED_BYTES_MAX } from '../limits.ts'
import type { ImapAccount, MailboxChange, MailboxInfo, MailboxView, MessageFacts, OpenMailbox } from '../store.ts'
import { intersectRanges, type Range, type Ranges, rangesOf, rangeTexts, subtractRanges } from '../syntax/ranges.ts'
import type { PartialRange } from '../syntax/search-return.ts'
import { contains, type SequenceSet } from '../syntax/sequence-set.ts'
import { syntaxError } from '../syntax/syntax-error.ts'
import type { Addressing } from './command.ts'
import type { Dialect } from './dialect.ts'
import type { SessionHost } from './host.ts'
import type { Output } from './output.ts'

/** Positions `from` up to, not including, `to` in the view's `uids`. */
export interface IndexRange {
  readonly from: number
  readonly to: number
}

/** Told by `sync()` what happens to the view, in the places where the client may hear more about it. */
export interface ViewWatcher {
  /** Before the client hears that they are expunged: they still have their numbers. */
  goes(uids: readonly Uid[]): void
  /** After it has heard of changed flags and of what is new from position `firstNew` on. */
  changed(facts: readonly MessageFacts[], firstNew: number): Promise<void>
}

/** What of the session the mailbox needs. */
interface Surroundings {
  readonly host: Pick<SessionHost, 'report'>
  readonly dialect: Dialect
}

/** The positions that a PARTIAL names among those of `ranges` (RFC 9394 section 3.1). */
export function partOf(ranges: readonly IndexRange[], { fromEnd, from, to }: PartialRange): IndexRange[] {
  const count = ranges.reduce((sum, range) => sum + range.to - range.from, 0)
  const first = fromEnd ? Math.max(0, count - to) : from - 1
  const end = fromEnd ? count - from + 1 : to
  const part: IndexRange[] = []
  let passed = 0
  for (const range of ranges) {
    const start = range.from + Math.max(0, first - passed)
    const stop = Math.min(range.to, range.from + end - passed)
    if (start < stop) part.push({ from: start, to: stop })
    passed += range.to - range.from
  }
  return part
}

export class SelectedMailbox {
  readonly store: OpenMailbox
  #view: MailboxView
  /** UIDs that are \Recent in this session. */
  #recent: { from: number; to: number }[] = []
  /** Own changes of flags that the client knows: not told again by `sync()`. */
  readonly #told = new Map<Uid, ModSeq>()
  watcher: ViewWatcher | null = null
  /** UIDs of `$`. */
  #saved: Ranges = []
  /** Keywords that a FLAGS response has named. */
  readonly #keywords: Set<string>
  readonly #around: Surroundings

  private constructor(store: OpenMailbox, around: Surroundings) {
    this.store = store
    this.#around = around
    this.#view = store.view
    this.#keywords = new Set(store.keywords())
  }

  static async open(
    account: ImapAccount,
    info: MailboxInfo,
    readOnly: boolean,
    around: Surroundings,
    listener: (change: MailboxChange) => void,
  ): Promise<SelectedMailbox> {
    const store = await account.open(info.id, readOnly, listener)
    try {
      const opened = new SelectedMailbox(store, around)
      await opened.#findRecent()
      return opened
    } catch (error) {
      store.close()
      throw error
    }
  }

  get readOnly(): boolean {
    return this.store.readOnly
  }

  /** Whether the session has this right here (RFC 4314). */
  may(right: string): boolean {
    return this.store.info.rights?.includes(right) ?? true
  }

  /** Number of messages; sequence numbers are 1..exists. */
  get exists(): number {
    return this.#view.exists
  }

  get view(): MailboxView {
    return this.#view
  }

  get recentCount(): number {
    let count = 0
    for (const { from, to } of this.#recent) count += this.#lowerBound(to + 1) - this.#lowerBound(from)
    return count
  }

  isRecent(uid: Uid): boolean {
    return this.#recent.length > 0 && contains(this.#recent, uid)
  }

  /** The begin of a FETCH response for a message of the view. */
  fetchHead(uid: Uid): string {
    return this.#around.dialect.fetchHead(this.sequenceOf(uid), uid)
  }

  /** Flags of a message as this session shows them, separated by spaces. */
  flagText(facts: MessageFacts): string {
    const { system, keywords } = facts.flags
    const text = keywords.length === 0 ? systemFlagText(system) : flagNames(facts.flags).join(' ')
    if (this.#around.dialect.rev2 || !this.isRecent(facts.uid)) return text
    return text === '' ? '\\Recent' : `${text} \\Recent`
  }

  /** The UID at a position. */
  uidAt(index: number): Uid {
    return this.#view.uids[index] as Uid
  }

  /** Sequence number of a message of the view, or 0. */
  sequenceOf(uid: Uid): number {
    const index = this.#lowerBound(uid)
    return index < this.#view.exists && this.#view.uids[index] === uid ? index + 1 : 0
  }

  /** The positions that a set names, ascending. @throws {ImapSyntaxError} for a sequence number that no message has. */
  resolve(set: SequenceSet, by: Addressing): IndexRange[] {
    const exists = this.#view.exists
    if (set.saved) return this.indexRanges(this.#saved)
    if (by === 'sequence') {
      // RFC 9051 section 9 (seq-number): a number above EXISTS is BAD, "*" in an empty mailbox too.
      if (set.highest(exists) > exists || (exists === 0 && set.hasStar)) throw syntaxError('No such message number')
      return set.resolve(exists).map(({ from, to }) => ({ from: from - 1, to }))
    }
    const largest = exists === 0 ? 0 : (this.#view.uids[exists - 1] ?? 0)
    return this.indexRanges(set.resolve(largest))
  }

  indexRanges(uids: Ranges): IndexRange[] {
    const ranges: IndexRange[] = []
    for (const range of uids) {
      const from = this.#lowerBound(range.from)
      const to = this.#lowerBound(range.to + 1)
      if (from < to) ranges.push({ from, to })
    }
    return ranges
  }

  /**
   * Keeps a search result as `$` (RFC 5182): of messages that are expunged later nothing is left of it.
   * @param indexes Positions in the view, ascending.
   */
  save(indexes: readonly number[]): void {
    const saved: { from: number; to: number }[] = []
    let before = -2
    for (const index of indexes) {
      const uid = this.uidAt(index)
      const last = saved.at(-1)
      // Neighbours in the view make one range: what lies between their UIDs is gone, and no UID comes again.
      if (last !== undefined && index === before + 1) last.to = uid
      else saved.push({ from: uid, to: uid })
      before = index
    }
    this.#saved = saved
  }

  /** All UIDs at `ranges`. */
  uids(ranges: readonly IndexRange[]): Uid[] {
    const uids: Uid[] = []
    for (const { from, to } of ranges) for (let i = from; i < to; i++) uids.push(this.uidAt(i))
    return uids
  }

  /** The UIDs at `ranges` in lists of some `size`, so that nobody holds all of a large mailbox. */
  *batches(ranges: readonly IndexRange[], size: number): Generator<Uid[]> {
    let batch: Uid[] = []
    for (const { from, to } of ranges) {
      for (let i = from; i < to; i++) {
        batch.push(this.uidAt(i))
        if (batch.length < size) continue
        yield batch
        batch = []
      }
    }
    if (batch.length > 0) yield batch
  }

  /** Remembers that the client knows these flags: by a FETCH response, or because it asked for .SILENT. */
  told(facts: MessageFacts): void {
    if (this.#told.size < TOLD_MAX) this.#told.set(facts.uid, facts.modSeq)
  }

  /** Whether the client knows the flags of `facts`. */
  knows(facts: MessageFacts): boolean {
    return facts.modSeq <= this.#view.modSeq || this.#told.get(facts.uid) === facts.modSeq
  }

  /**
   * Tells the client what happened since the last time, as far as it may be told now.
   * @param expunges Whether EXPUNGE is allowed; if not and there are some, everything waits for a better moment.
   * @param flags False: changes of flags are not told (RFC 5465).
   */
  async sync(out: Output, expunges: boolean, flags = true): Promise<void> {
    const before = this.#view
    const delta = this.store.delta(before)
    if (delta.view === before || (delta.vanished.length > 0 && !expunges)) return
    if (delta.vanished.length > 0) this.watcher?.goes(delta.vanished)
    await this.#tellExpunged(out, delta.vanished)
    this.#view = delta.view
    const arrived = delta.view.exists - delta.firstNew
    if (arrived > 0) {
      out.untagged(`${delta.view.exists} EXISTS`)
      await this.#findRecent()
      if (!this.#around.dialect.rev2) out.untagged(`${this.recentCount} RECENT`)
    }
    this.tellKeywords(out)
    for (const facts of flags ? delta.changed : []) {
      if (this.#told.get(facts.uid) === facts.modSeq) continue
      const sequence = this.sequenceOf(facts.uid)
      if (sequence > 0) out.write(this.#around.dialect.flagsChanged(sequence, facts, this.flagText(facts)))
      if (out.congested) await out.ready()
    }
    this.#told.clear()
    await this.watcher?.changed(delta.changed, delta.firstNew)
  }

  /** The MODSEQ up to which the client was told everything (RFC 7162 section 3.1.2.1). */
  tellHighestModSeq(out: Output): void {
    out.untagged(`OK [HIGHESTMODSEQ ${this.#view.modSeq}] Highest`)
  }

  /** The positions in `ranges` of messages that were added or changed after `modSeq`. */
  changedSince(ranges: readonly IndexRange[], modSeq: ModSeq): IndexRange[] {
    const changed: number[] = []
    for (const uid of this.store.changedSince(modSeq)) {
      const sequence = this.sequenceOf(uid as Uid)
      if (sequence > 0) changed.push(sequence)
    }
    const wanted = ranges.map(({ from, to }) => ({ from: from + 1, to }))
    return intersectRanges(wanted, rangesOf(changed)).map(({ from, to }) => ({ from: from - 1, to }))
  }

  /**
   * VANISHED (EARLIER) for what was expunged after `modSeq` (RFC 7162 section 3.2.10.1). What this session still shows is left
   * out: that has a sequence number here, and is told by `sync()`.
   * @param known UIDs that the client asks about; null: all.
   */
  async tellVanishedSince(out: Output, modSeq: ModSeq, known: Ranges | null): Promise<void> {
    const below: Range[] = this.#view.uidNext > 1 ? [{ from: 1, to: this.#view.uidNext - 1 }] : []
    const asked = known === null ? below : intersectRanges(known, below)
    const gone = intersectRanges(this.store.vanishedSince(modSeq), asked)
    const shown = rangesOf(this.#expungedShown())
    await tellVanished(out, 'VANISHED (EARLIER)', shown.length === 0 ? gone : subtractRanges(gone, shown))
  }

  /** UIDs that are expunged and still have a number in this session. */
  #expungedShown(): readonly Uid[] {
    return this.store.delta(this.#view).vanished
  }

  async #tellExpunged(out: Output, vanished: readonly Uid[]): Promise<void> {
    if (this.#around.dialect.vanished) return tellVanished(out, 'VANISHED', rangesOf(vanished))
    let gone = 0
    for (const uid of vanished) {
      const sequence = this.sequenceOf(uid) - gone++
      out.untagged(`${sequence} EXPUNGE`)
      if (out.congested) await out.ready()
    }
  }

  /** Those of `uids` that are expunged already, though the client still sees them. */
  expunged(uids: readonly Uid[]): ReadonlySet<Uid> {
    const vanished = this.#expungedShown()
    if (vanished.length === 0) return new Set()
    const gone = new Set(vanished)
    return new Set(uids.filter((uid) => gone.has(uid)))
  }

  /** The FLAGS response, when a keyword came into use that the client has not seen. */
  tellKeywords(out: Output): void {
    const keywords = this.store.keywords()
    if (keywords.every((keyword) => this.#keywords.has(keyword))) return
    for (const keyword of keywords) this.#keywords.add(keyword)
    out.untagged(flagsResponse([...this.#keywords]))
  }

  close(): void {
    this.store.close()
  }

  async #findRecent(): Promise<void> {
    // RFC 9051 appendix E: there is no \Recent in rev2; it stays for a session that shows it.
    if (this.#around.dialect.rev2) return
    if (this.readOnly) {
      this.#peekRecent()
      return
    }
    try {
      await this.#claimRecent()
    } catch (error) {
      // A store that takes no writes must still let people read; the messages stay recent for a later session.
      if (!(error instanceof CodedError)) throw error
      this.#around.host.report(error, { command: 'SELECT', fatal: false })
    }
  }

  /** EXAMINE shows \Recent and leaves it (RFC 9051 section 6.3.3): the unclaimed messages are the last ones. */
  #peekRecent(): void {
    const count = Math.min(this.store.status().recent, this.#view.exists)
    this.#recent = count === 0 ? [] : [{ from: this.uidAt(this.#view.exists - count), to: this.#view.uidNext - 1 }]
  }

  async #claimRecent(): Promise<void> {
    if (this.store.status().recent === 0) return
    // What the view shows existed before the claim, so it is covered; later arrivals are claimed when they are shown.
    const to = this.#view.uidNext - 1
    const from = (await this.store.claimRecent()) + 1
    if (from > to) return
    const last = this.#recent.at(-1)
    if (last !== undefined && from <= last.to + 1) last.to = to
    else this.#recent.push({ from, to })
  }

  /** Position of the first UID that is not below `uid`. */
  #lowerBound(uid: number): number {
    const { uids, exists } = this.#view
    let low = 0
    let high = exists
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((uids[middle] as number) < uid) low = middle + 1
      else high = middle
    }
    return low
  }
}

async function tellVanished(out: Output, name: string, uids: Ranges): Promise<void> {
  for (const text of rangeTexts(uids, VANISHED_BYTES_MAX)) {
    out.untagged(`${name} ${text}`)
    if (out.congested) await out.ready()
  }
}

/** Texts by the sum of system flags: most messages have no keywords, and FETCH FLAGS asks for many at once. */
const SYSTEM_FLAG_TEXTS: string[] = []

function systemFlagText(system: number): string {
  let text = SYSTEM_FLAG_TEXTS[system]
  if (text === undefined) {
    text = flagNames({ system, keywords: [] }).join(' ')
    SYSTEM_FLAG_TEXTS[system] = text
  }
  return text
}

const SYSTEM_FLAGS = '\\Answered \\Flagged \\Deleted \\Seen \\Draft'

/** RFC 9051 section 7.3.5. */
export function flagsResponse(keywords: readonly string[]): string {
  return `FLAGS (${[SYSTEM_FLAGS, ...keywords].join(' ')})`
}
