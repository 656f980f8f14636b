/**
 * Facts of a move of an account between two shards (docs/internals/moves.md). `account.moved` in the log of the source is the
 * one decision; everything before it can be undone, everything after it is only carried out.
 *
 * What is copied is state, not history: each fact says how something is at the source, and an older one than what is known
 * changes nothing. So a copy may be sent twice, late, or by a primary that was deposed meanwhile.
 */
import type { MetadataEntry } from '#lib/imap/store.ts'
import type { Flags } from '#lib/mail/flags.ts'
import type { AccountId, Lsn, MailboxId, ModSeq, ShardName, Uid } from '#lib/mail/types.ts'
import type { NewMailbox, NewMessage, RecordType } from './types.ts'

/** Begins a move, in the logs of both shards. */
export interface MoveBegin {
  readonly type: typeof RecordType.moveBegin
  readonly account: AccountId
  /** `out`: the account is here and is to leave. `in`: it is to come. */
  readonly direction: 'out' | 'in'
  /** The other shard. */
  readonly peer: ShardName
  /** What the account's generation will be when it has moved. */
  readonly generation: number
  /** Names the move: the same on both sides. */
  readonly move: string
  readonly atMs: number
}

/** Target: everything up to `upTo` of the source's log is here. Nothing is served before `account.own`. */
export interface MoveReady {
  readonly type: typeof RecordType.moveReady
  readonly account: AccountId
  readonly upTo: Lsn
}

/** Source: the move is given up; the target is still to be told. */
export interface MoveCancel {
  readonly type: typeof RecordType.moveCancel
  readonly account: AccountId
  readonly reason: string
}

/** Nothing is left to do (source), or what was copied is worth nothing (target, before the decision). */
export interface MoveEnd {
  readonly type: typeof RecordType.moveEnd
  readonly account: AccountId
}

/** Source: the decision. From here on the account belongs to the target, which has everything up to `upTo`. */
export interface AccountMoved {
  readonly type: typeof RecordType.accountMoved
  readonly account: AccountId
  readonly target: ShardName
  readonly generation: number
  readonly upTo: Lsn
}

/** UIDs that a recovery jump passed over. */
export interface UidGap {
  readonly first: Uid
  readonly last: Uid
  readonly modSeq: ModSeq
}

export interface CopiedMailbox extends Omit<NewMailbox, 'subscribed'> {
  readonly uidNext: number
  readonly highestModSeq: ModSeq
  readonly recentUpTo: number
  readonly keywords: readonly string[]
  readonly gaps: readonly UidGap[]
}

/** All of an account but its messages: mailboxes that are not named are gone. */
export interface CopyAccount {
  readonly type: typeof RecordType.copyAccount
  readonly account: AccountId
  /** State of the source at this LSN of its log. */
  readonly upTo: Lsn
  readonly quotaBytes: number | null
  readonly suspended: boolean
  readonly modSeq: ModSeq
  readonly uidValidityMax: number
  readonly mailboxes: readonly CopiedMailbox[]
  readonly subscriptions: readonly string[]
  /** Null: as it was copied before. */
  readonly metadata: readonly CopiedMetadata[] | null
}

export interface CopiedMetadata {
  /** Null: of the account as a whole. */
  readonly mailbox: MailboxId | null
  readonly entries: readonly MetadataEntry[]
}

/** How far the messages of a mailbox are copied, in the order of what changed last. */
export interface CopyCursor {
  readonly modSeq: number
  readonly uid: number
  readonly goneModSeq: number
  readonly goneUid: number
  readonly deliveryUid: number
}

export interface CopyMessages {
  readonly type: typeof RecordType.copyMessages
  readonly account: AccountId
  readonly mailbox: MailboxId
  /** Not here yet. */
  readonly messages: readonly NewMessage[]
  /** Here already, with other flags. */
  readonly flags: readonly { readonly uid: Uid; readonly modSeq: ModSeq; readonly flags: Flags }[]
  /** Expunged at the source, whether they were here or not. */
  readonly gone: readonly { readonly uid: Uid; readonly modSeq: ModSeq }[]
  /** Ids of letters that may be delivered again. */
  readonly deliveries: readonly { readonly id: Uint8Array; readonly uid: Uid; readonly atMs: number }[]
  /** Everything up to here has been copied. */
  readonly cursor: CopyCursor
}

export type MoveRecord = MoveBegin | MoveReady | MoveCancel | MoveEnd | AccountMoved | CopyAccount | CopyMessages
