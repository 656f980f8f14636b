/**
 * The facts of a shard's log. Each record is one atomic step: it is applied whole or not at all. Everything is decided by
 * the primary when it appends and stands in the record; applying only copies (rule 2 of the replication design).
 * Encoding: `codec.ts`, one version byte first. Numbers of types never change meaning and are never reused.
 */

import type { SpecialUse } from '#lib/imap/store.ts'
import type { Flags } from '#lib/mail/flags.ts'
import type { NotifyOccasion } from '#lib/mail/notify.ts'
import type { AccountId, Lsn, MailboxId, ModSeq, Uid } from '#lib/mail/types.ts'
import type { MoveRecord } from './move-records.ts'

/** For so long a delivery id is remembered: the same one is never stored twice (rule 7). */
export const DELIVERY_MEMORY_MS = 7 * 24 * 60 * 60 * 1000

export const RecordType = {
  /** First record of an epoch: who writes from here on. */
  epochStart: 1,
  /** Bytes of a letter up to 1 MiB, or the first MiB of a larger one. Its LSN is the body's name. */
  body: 2,
  /** Further MiB of a large letter, before the last one. */
  bodyChunk: 3,
  /** Last chunk of a large letter, with its length and hash; its LSN is the body's name. */
  bodyEnd: 4,
  accountOwn: 10,
  accountUpdate: 11,
  accountDelete: 12,
  /** The account belongs to another shard from here on: the decision of a move. */
  accountMoved: 13,
  mailboxCreate: 20,
  mailboxRename: 21,
  mailboxDelete: 22,
  mailboxSubscribe: 23,
  mailboxRecent: 24,
  /** RFC 5464 annotations. */
  mailboxMetadata: 25,
  messagesAdd: 30,
  messagesFlags: 31,
  messagesExpunge: 32,
  messagesMove: 33,
  /** A letter that leaves the shard; its LSN is the entry's name. */
  queueAdd: 40,
  /** A sender is about to try (rule 18); its LSN is the attempt's name. */
  queueAttempt: 41,
  queueDefer: 42,
  queueDone: 43,
  /** Reserved for compaction and backup. */
  segmentSeal: 50,
  /** Second record of an epoch that began by force: what was shown and is lost must not be used again (rule 11). */
  recoveryJump: 60,
  /** Moves of accounts between shards: `move-records.ts`. */
  moveBegin: 70,
  moveReady: 71,
  moveCancel: 72,
  moveEnd: 73,
  copyAccount: 74,
  copyMessages: 75,
} as const
export type RecordType = (typeof RecordType)[keyof typeof RecordType]

export interface EpochStart {
  readonly type: typeof RecordType.epochStart
  readonly replica: string
  readonly bootId: string
}

/**
 * The log goes on from a replica that lacks acknowledged records: UIDs and MODSEQs that clients may have seen there are passed
 * over in every mailbox of the shard (docs/decisions/0012-recovery-jump.md). It names no mailbox: what it does follows from the
 * state before it.
 */
export interface RecoveryJump {
  readonly type: typeof RecordType.recoveryJump
  /** UIDNEXT of every mailbox grows by so many: the UIDs between count as expunged. */
  readonly uids: number
  /** Every message, mailbox and account gets one new MODSEQ: the highest of the account plus this. */
  readonly modSeqs: number
  /** Mailboxes that are made from here on have a higher UIDVALIDITY. */
  readonly uidValidity: number
}

/** Where the bytes of a letter lie. `lsns` has one entry for a `body` record, several for a chunked letter. */
export interface BodyReference {
  readonly lsns: readonly Lsn[]
  readonly sizeBytes: number
}

export interface AccountOwn {
  readonly type: typeof RecordType.accountOwn
  readonly account: AccountId
  readonly generation: number
  readonly quotaBytes: number | null
  readonly mailboxes: readonly NewMailbox[]
  readonly modSeq: ModSeq
}

export interface NewMailbox {
  readonly id: MailboxId
  readonly name: string
  readonly uidValidity: number
  readonly specialUse: SpecialUse | null
  readonly subscribed: boolean
}

export interface AccountUpdate {
  readonly type: typeof RecordType.accountUpdate
  readonly account: AccountId
  readonly quotaBytes: number | null
  readonly suspended: boolean
}

export interface AccountDelete {
  readonly type: typeof RecordType.accountDelete
  readonly account: AccountId
}

export interface MailboxCreate {
  readonly type: typeof RecordType.mailboxCreate
  readonly account: AccountId
  /** The mailbox and those of its parents that were missing, parents first. */
  readonly mailboxes: readonly NewMailbox[]
  readonly modSeq: ModSeq
}

export interface MailboxRename {
  readonly type: typeof RecordType.mailboxRename
  readonly account: AccountId
  /** Every mailbox whose name changes (children too). */
  readonly names: readonly { readonly id: MailboxId; readonly name: string }[]
  /** Parents of the new name that were missing. */
  readonly created: readonly NewMailbox[]
  readonly modSeq: ModSeq
}

export interface MailboxDelete {
  readonly type: typeof RecordType.mailboxDelete
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly modSeq: ModSeq
}

export interface MailboxSubscribe {
  readonly type: typeof RecordType.mailboxSubscribe
  readonly account: AccountId
  readonly name: string
  readonly on: boolean
}

/** A session has claimed everything up to `upTo` as \Recent. */
export interface MailboxRecent {
  readonly type: typeof RecordType.mailboxRecent
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly upTo: number
}

/** State after the change: values of annotations (RFC 5464), of a mailbox or (null) of the account as a whole. */
export interface MailboxMetadata {
  readonly type: typeof RecordType.mailboxMetadata
  readonly account: AccountId
  readonly mailbox: MailboxId | null
  /** Null: the annotation is taken away. */
  readonly entries: readonly { readonly name: string; readonly value: Uint8Array | null }[]
}

export interface NewMessage {
  readonly uid: Uid
  readonly modSeq: ModSeq
  readonly flags: Flags
  readonly internalDateMs: number
  readonly saveDateMs: number
  readonly emailId: string
  readonly headerBlock: Uint8Array
  readonly body: BodyReference
}

export interface MessagesAdd {
  readonly type: typeof RecordType.messagesAdd
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly messages: readonly NewMessage[]
  /** Set for a delivery: 16 bytes; the same id is never stored twice in DELIVERY_MEMORY_MS. */
  readonly deliveryId: Uint8Array | null
  /** The id by which the letter can be traced through all logs, or empty. */
  readonly traceId: string
}

/** State after the change, not the change: applying twice changes nothing. */
export interface MessagesFlags {
  readonly type: typeof RecordType.messagesFlags
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly modSeq: ModSeq
  readonly changes: readonly { readonly uids: readonly Uid[]; readonly flags: Flags }[]
}

export interface MessagesExpunge {
  readonly type: typeof RecordType.messagesExpunge
  readonly account: AccountId
  readonly mailbox: MailboxId
  readonly modSeq: ModSeq
  readonly uids: readonly Uid[]
}

/** Atomic: out of one mailbox, into another or the same. `messages[i]` takes the place of `sourceUids[i]`: its copy (MOVE), or a letter of its own (REPLACE). */
export interface MessagesMove {
  readonly type: typeof RecordType.messagesMove
  readonly account: AccountId
  readonly source: MailboxId
  readonly sourceUids: readonly Uid[]
  readonly target: MailboxId
  readonly messages: readonly NewMessage[]
  readonly modSeq: ModSeq
}

/** Why a letter is in the queue: users' mail, what we say about it, and mail on its way to another shard of the array. */
export type QueueKind = 'submission' | 'notification' | 'transit'

export interface QueuedRecipient {
  /** The forward-path, domain in A-labels. */
  readonly address: string
  /** Domain in lower case, or an address literal: letters for one destination share connections and limits. */
  readonly destination: string
  /** RFC 3461 section 4.1; empty: NEVER, null: not said. */
  readonly notify: readonly NotifyOccasion[] | null
  /** RFC 3461 section 4.2, as said. */
  readonly orcpt: string | null
}

export interface QueueAdd {
  readonly type: typeof RecordType.queueAdd
  /** Whose letter it is; null: the shard's own. */
  readonly account: AccountId | null
  readonly kind: QueueKind
  /** Empty: the null path, about which nobody is told anything. */
  readonly reversePath: string
  readonly traceId: string
  readonly addedMs: number
  /** Not tried before: now, or the time that the user wished. */
  readonly dueMs: number
  /** Given up after. */
  readonly expiresMs: number
  /** Set where an edge may repeat it: 16 bytes, never taken twice in 7 days. */
  readonly deliveryId: Uint8Array | null
  readonly eightBit: boolean
  readonly smtpUtf8: boolean
  /** RFC 3461 section 4.3 and 4.4. */
  readonly ret: 'FULL' | 'HDRS' | null
  readonly envid: string | null
  /** Trace fields that go before the body. */
  readonly headerBlock: Uint8Array
  readonly body: BodyReference
  readonly recipients: readonly QueuedRecipient[]
}

/** Committed before a sender connects: whoever becomes primary knows that these may have gone out. */
export interface QueueAttempt {
  readonly type: typeof RecordType.queueAttempt
  readonly entry: Lsn
  readonly atMs: number
  /** Places in the entry's list of recipients. */
  readonly places: readonly number[]
}

/** State after the change of one recipient that stays in the queue. */
export interface DeferredRecipient {
  readonly place: number
  readonly attempts: number
  readonly dueMs: number
  /** Not tried until somebody releases it. */
  readonly held: boolean
  /** The sender of the letter was told that it is late. */
  readonly warned: boolean
  /** What the remote server said last, or why there was none. */
  readonly reply: string
  readonly remote: string
}

export interface QueueDefer {
  readonly type: typeof RecordType.queueDefer
  readonly entry: Lsn
  readonly recipients: readonly DeferredRecipient[]
}

/** `moved`: it goes on in the queue of the shard to which its account has moved. */
export type QueueOutcome = 'delivered' | 'failed' | 'expired' | 'dropped' | 'moved'

export interface QueueDone {
  readonly type: typeof RecordType.queueDone
  readonly entry: Lsn
  readonly atMs: number
  readonly recipients: readonly { readonly place: number; readonly outcome: QueueOutcome; readonly reply: string }[]
}

export interface Body {
  readonly type: typeof RecordType.body | typeof RecordType.bodyChunk | typeof RecordType.bodyEnd
}

export type ShardRecord =
  | EpochStart
  | RecoveryJump
  | AccountOwn
  | AccountUpdate
  | AccountDelete
  | MailboxCreate
  | MailboxRename
  | MailboxDelete
  | MailboxSubscribe
  | MailboxRecent
  | MailboxMetadata
  | MessagesAdd
  | MessagesFlags
  | MessagesExpunge
  | MessagesMove
  | QueueAdd
  | QueueAttempt
  | QueueDefer
  | QueueDone
  | MoveRecord
