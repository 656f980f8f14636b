/**
 * The port through which the shard reaches its index: what the log says, folded into rows that can be asked. The index is
 * never the truth: it holds nothing beyond commit, names the LSN up to which it is applied, and can be thrown away.
 *
 * All calls are synchronous: each is a few B-tree steps; long scans belong to a worker. One batch is one transaction.
 */
import type { MetadataEntry, SpecialUse, UidRange } from '#lib/imap/store.ts'
import type { Flags } from '#lib/mail/flags.ts'
import type { AccountId, Lsn, MailboxId, ModSeq, ShardName, Uid } from '#lib/mail/types.ts'
import type { BodyReference, ShardRecord } from '../records/types.ts'
import type { MoveReader } from './move-reader.ts'
import type { QueueReader } from './queue-reader.ts'

/** Row number of an account or mailbox in this index; has no meaning outside of it. */
export type RowKey = number

/** `moved`: it belongs to another shard now. `arriving`: it is being copied, and belongs to another shard still. */
export type AccountStatus = 'active' | 'suspended' | 'deleted' | 'moved' | 'arriving'

export interface AccountRow {
  readonly key: RowKey
  readonly id: AccountId
  readonly generation: number
  readonly quotaBytes: number | null
  readonly status: AccountStatus
  /** Highest MODSEQ of a change to the list of mailboxes; those of messages stand in the mailboxes. */
  readonly modSeq: ModSeq
  /** Highest UIDVALIDITY that any mailbox of the account ever had. */
  readonly uidValidityMax: number
  /** Where it is, if not here: of an account that has moved or is arriving. */
  readonly home: ShardName | null
}

export interface MailboxRow {
  readonly key: RowKey
  readonly id: MailboxId
  readonly name: string
  readonly uidValidity: number
  readonly specialUse: SpecialUse | null
  readonly uidNext: number
  readonly highestModSeq: ModSeq
  /** UIDs up to here were claimed as \Recent by some session. */
  readonly recentUpTo: number
  readonly messages: number
  readonly unseen: number
  readonly deleted: number
  readonly recent: number
  readonly sizeBytes: number
}

export interface MessageRow {
  readonly uid: Uid
  readonly modSeq: ModSeq
  readonly flags: Flags
  readonly internalDateMs: number
  readonly saveDateMs: number
  /** Header block plus body. */
  readonly sizeBytes: number
  readonly emailId: string
}

/** Where the bytes of a message are. */
export interface MessageSource {
  readonly headerBlock: Uint8Array
  readonly body: BodyReference
}

export interface DeliveryRow {
  readonly uid: Uid
  readonly mailbox: MailboxId
}

/** Where a walk over all messages has come. */
export interface BodyCursor {
  readonly table: 'messages' | 'expunged' | 'queue'
  readonly mailbox: RowKey
  /** In `queue` the entry. */
  readonly uid: number
}

/** One message or queue entry, or what is left of one, and the records that hold its bytes. */
export interface BodyHolder {
  readonly lsns: readonly Lsn[]
  /** LSN of the record by which it was expunged or its mailbox deleted, or its last recipient done; 0: it is there. */
  readonly releasedLsn: number
}

export interface CommittedRecord {
  readonly lsn: Lsn
  readonly record: ShardRecord
  /** It lies below the log's horizon: it may speak of messages whose other facts compaction dropped. */
  readonly compacted?: boolean
}

export interface MailboxOfAccount {
  readonly account: AccountId
  readonly mailbox: MailboxId
}

/** A message by what the log calls it. */
export interface MessageName {
  readonly mailbox: MailboxId
  readonly uid: Uid
}

/** Hash of the logical content, one per kind, so that a difference can be named. Row keys are not part of it. */
export interface IndexDigest {
  readonly accounts: string
  readonly mailboxes: string
  readonly subscriptions: string
  readonly metadata: string
  readonly keywords: string
  readonly messages: string
  readonly expunged: string
  readonly deliveries: string
  readonly moves: string
  /** Entries with open recipients: when the others are swept is not part of the content. */
  readonly queue: string
}

export interface ShardIndex {
  /** Everything up to here is applied, nothing beyond. */
  readonly appliedLsn: Lsn
  /**
   * Applies `records` (ascending) and notes `upTo`; readers of this object see it at once, a crash may take it back until `flush`.
   * An error takes back everything since the last `flush`: nothing may be applied or shown any more then.
   * @param upTo The commit LSN; records between the given ones have no effect on the index (bodies, epochs).
   * @returns The new rows of the mailboxes that gained, lost or changed messages.
   */
  apply(records: readonly CommittedRecord[], upTo: Lsn): ReadonlyMap<MailboxId, MailboxRow>
  account(id: AccountId): AccountRow | null
  /** All mailboxes of the account that were not deleted. */
  mailboxes(account: RowKey): MailboxRow[]
  subscriptions(account: RowKey): string[]
  /** Keywords that messages of the mailbox have or once had. */
  keywords(mailbox: RowKey): string[]
  /** Annotations by name, ascending. @param mailbox Null: those of the account as a whole */
  metadata(account: RowKey, mailbox: RowKey | null): MetadataEntry[]
  /** Mailboxes of active accounts that have a grant by one of these names (`mailbox/grants.ts`), each once. */
  granted(names: readonly string[]): MailboxOfAccount[]
  /** Whether an active account as a whole has an entry of this name. */
  isKnownAs(name: string): boolean
  /** Annotations of the account and all its mailboxes. */
  metadataCount(account: RowKey): number
  /** UIDs of the mailbox, ascending. */
  uids(mailbox: RowKey): Uint32Array
  message(mailbox: RowKey, uid: Uid): MessageRow | null
  /** Of an expunged one, unless it was forgotten. */
  expungedMessage(mailbox: RowKey, uid: Uid): MessageRow | null
  /** Messages with first <= uid <= last, ascending. */
  messagesBetween(mailbox: RowKey, first: Uid, last: Uid): MessageRow[]
  /** Messages added or changed after `modSeq`, ascending by UID. */
  messagesChangedSince(mailbox: RowKey, modSeq: ModSeq): MessageRow[]
  /** UIDs of messages that were added or changed after `modSeq`, ascending. */
  uidsChangedSince(mailbox: RowKey, modSeq: ModSeq): Uint32Array
  /** UIDs that were expunged after `modSeq`, ascending and merged: also those that a recovery jump passed over. */
  uidsExpungedSince(mailbox: RowKey, modSeq: ModSeq): UidRange[]
  /** The highest UID of a message that was added by `lsn`, of those that are there; 0: there is none. */
  lastUidUpTo(mailbox: RowKey, lsn: Lsn): number
  /** UIDs from `first` to `last` of messages with one of these EMAILIDs, ascending, also of expunged ones. Scans that part of the mailbox. */
  uidsWithEmailIds(mailbox: RowKey, emailIds: readonly string[], first: number, last: number): Uint32Array
  /** UIDs that carry \Deleted, ascending. */
  uidsMarkedDeleted(mailbox: RowKey): Uid[]
  /** Bytes of the messages that carry \Deleted. */
  sizeMarkedDeleted(mailbox: RowKey): number
  /** Header block and body of a message, also of an expunged one that was not forgotten. */
  source(mailbox: RowKey, uid: Uid): MessageSource | null
  /**
   * Visits the next `rowsMax` messages, those that are there first, then those that were expunged, then the queue, each once even if the index changes
   * between two calls. @param after Null: from the beginning. @returns Where to go on; null: that was all
   */
  bodyHolders(after: BodyCursor | null, rowsMax: number, visit: (holder: BodyHolder) => void): BodyCursor | null
  /** By which record the message was expunged; null: it was not, or never was. */
  expungedLsn(message: MessageName): Lsn | null
  /**
   * Keeps of expunged messages only that they are gone, and since when: the rest was dropped from the log. The caller says so only of
   * messages that no session can be shown any more.
   */
  forgetExpunged(messages: readonly MessageName[]): void
  delivery(id: Uint8Array): DeliveryRow | null
  readonly queue: QueueReader
  readonly moves: MoveReader
  /** Forgets entries that were done before `beforeMs`, `rowsMax` at most. */
  sweepQueue(beforeMs: number, rowsMax: number): void
  /** Forgets deliveries stored before `beforeMs`, looking at `rowsMax` rows per call and going round in turns. */
  sweepDeliveries(beforeMs: number, rowsMax: number): void
  /** @param deliveriesFromMs Deliveries before are left out: when they are swept is not part of the content. */
  digest(deliveriesFromMs: number): IndexDigest
  /**
   * Brings what was applied into the write-ahead log of the file, in one transaction. Cheap when there is nothing.
   * @throws {IndexError} INDEX_TAKEN_BACK: the index must be opened anew; other errors (a full disk): nothing is lost, try again later
   */
  flush(): void
  /** Copies what is in the write-ahead log into the database file, without waiting for readers. */
  checkpoint(): void
  close(): void
}
