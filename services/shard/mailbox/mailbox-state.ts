/**
 * One mailbox in memory: its row of the index, the next UID to give out, and, while somebody has it open, the map of its UIDs
 * with the flag changes since. `row` is committed state; `takeUid` runs ahead of it by what is appended and not yet applied.
 */
import type { MailboxChange, MailboxView } from '#lib/imap/store.ts'
import { type MailboxId, type ModSeq, toUid, type Uid } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import type { MailboxRow, ShardIndex } from '../index/port.ts'
import { UidMap } from './uid-map.ts'

/** UIDs in the memory of flag changes of one open mailbox; a view older than it is compared by a scan. */
const FLAG_CHANGES_UIDS_MAX = 20_000

interface FlagsChanged {
  readonly modSeq: ModSeq
  readonly uids: readonly Uid[]
}

export type MailboxListener = (change: MailboxChange) => void

export class MailboxState {
  row: MailboxRow
  /** Deleted: sessions that still have it open are told so. */
  gone = false
  readonly listeners = new Set<MailboxListener>()
  #map: UidMap | null = null
  #keywords: Set<string> | null = null
  #view: MailboxView | null = null
  #uidTaken: number
  #flagChanges: FlagsChanged[] = []
  #flagChangesUids = 0
  /** Flag changes up to here are no longer in `#flagChanges`. */
  #flagChangesFrom = 0

  constructor(row: MailboxRow) {
    this.row = row
    this.#uidTaken = row.uidNext
  }

  get id(): MailboxId {
    return this.row.id
  }

  /** New committed row after a batch. */
  refresh(row: MailboxRow): void {
    this.row = row
    if (row.uidNext > this.#uidTaken) this.#uidTaken = row.uidNext
  }

  /** The next UID, given out for good: if the append fails nobody ever saw it. @throws {StoreError} STORE_LIMIT after 2^32-1 */
  takeUid(): Uid {
    if (this.#uidTaken > 0xffff_ffff) {
      throw new StoreError('STORE_LIMIT', `Cannot add to ${this.row.name}: it has used all UIDs`)
    }
    return toUid(this.#uidTaken++)
  }

  get uidsLeft(): number {
    return 0x1_0000_0000 - this.#uidTaken
  }

  /** Messages counting those that are appended and not yet applied. */
  get messagesTaken(): number {
    return this.row.messages + (this.#uidTaken - this.row.uidNext)
  }

  /** Loads map and keywords; from then on batches keep them up to date. */
  load(index: ShardIndex): UidMap {
    if (this.#map === null) {
      this.#map = new UidMap(index.uids(this.row.key))
      this.#keywords = new Set(index.keywords(this.row.key))
      this.#flagChangesFrom = this.row.highestModSeq
    }
    return this.#map
  }

  /** Frees what only open mailboxes need; nothing if somebody has it open. */
  unload(): void {
    if (this.listeners.size > 0) return
    this.#map = null
    this.#keywords = null
    this.#view = null
    this.#flagChanges = []
    this.#flagChangesUids = 0
  }

  keywords(index: ShardIndex): ReadonlySet<string> {
    return this.#keywords ?? new Set(index.keywords(this.row.key))
  }

  view(index: ShardIndex): MailboxView {
    const map = this.load(index)
    this.#view ??= {
      uids: map.uids,
      exists: map.exists,
      modSeq: this.row.highestModSeq,
      uidNext: this.row.uidNext,
    }
    return this.#view
  }

  added(uid: Uid, keywords: readonly string[]): void {
    this.#map?.add(uid)
    this.#seen(keywords)
  }

  expunged(uids: readonly Uid[]): void {
    this.#map?.remove(uids)
    this.#view = null
  }

  flagsChanged(modSeq: ModSeq, uids: readonly Uid[], keywords: readonly string[]): void {
    this.#seen(keywords)
    if (this.#map === null) return
    this.#flagChanges.push({ modSeq, uids })
    this.#flagChangesUids += uids.length
    while (this.#flagChangesUids > FLAG_CHANGES_UIDS_MAX) {
      const oldest = this.#flagChanges.shift()
      if (oldest === undefined) break
      this.#flagChangesUids -= oldest.uids.length
      this.#flagChangesFrom = oldest.modSeq
    }
  }

  /** UIDs whose flags changed after `modSeq`, ascending; null if that is too long ago to be remembered. */
  flagChangesSince(modSeq: ModSeq): readonly Uid[] | null {
    if (modSeq < this.#flagChangesFrom) return null
    const changed = new Set<Uid>()
    for (let i = this.#flagChanges.length - 1; i >= 0; i--) {
      const change = this.#flagChanges[i]
      if (change === undefined || change.modSeq <= modSeq) break
      for (const uid of change.uids) changed.add(uid)
    }
    return [...changed].sort((a, b) => a - b)
  }

  #seen(keywords: readonly string[]): void {
    this.#view = null
    if (this.#keywords !== null) for (const keyword of keywords) this.#keywords.add(keyword)
  }
}
