/**
 * The port through which an IMAP session reaches mailboxes. The engine (`lib/imap`) states what it needs; the shard
 * (`services/shard/mailbox`) provides it; tests provide one in memory. Everything shown through it is committed: an answer
 * never contains what a crash or a failover could take back (rule 2 of the replication design).
 *
 * Writes resolve when they are durable on every in-sync disk and applied. They reject with `CodedError`s whose `imap`
 * response code and retry class stand in the catalogue of `services/shard/errors.ts`.
 */
import type { FlagChange, Flags } from '#lib/mail/flags.ts'
import type { AccountId, MailboxId, ModSeq, Uid } from '#lib/mail/types.ts'

/** RFC 6154 uses, as stored; `\All` and `\Flagged` are not offered. */
export type SpecialUse = 'archive' | 'drafts' | 'junk' | 'sent' | 'trash'

export interface MailboxInfo {
  readonly id: MailboxId
  /** UTF-8, levels separated by `/`; INBOX is always spelled `INBOX`. */
  readonly name: string
  readonly uidValidity: number
  readonly specialUse: SpecialUse | null
  readonly subscribed: boolean
  /** What this session may do with a mailbox of another account (RFC 4314). Absent: everything, it is its own. */
  readonly rights?: string
}

/** Somebody else, and what they may do (RFC 4314). */
export interface Grant {
  /** An address in lower case, or `anyone`. */
  readonly identifier: string
  /** As `sharing/rights.ts` keeps them. */
  readonly rights: string
}

/** What an account that shares mailboxes can say and do about it. Names are those of the session. */
export interface AccessControl {
  /** The owner's address. @throws {ImapSyntaxError} there is no such mailbox */
  owner(name: string): string
  /** Null: there is no such mailbox. */
  rights(name: string): string | null
  /** Without the owner, who may do everything. */
  grants(name: string): readonly Grant[]
  /** @param rights Empty: takes the grant away. */
  grant(name: string, identifier: string, rights: string): Promise<void>
}

/** Where copies go that leave the account, or may not keep all their flags. */
export interface CopyOptions {
  readonly account: Pick<ImapAccount, 'id'>
  /** What of a message's flags its copy may have. */
  readonly keep: (flags: Flags) => Flags
}

export interface MailboxStatus {
  readonly messages: number
  readonly unseen: number
  readonly deleted: number
  /** Messages that no session has claimed as \Recent yet. */
  readonly recent: number
  readonly uidNext: number
  readonly uidValidity: number
  readonly highestModSeq: ModSeq
  /** Sum of RFC822.SIZE. */
  readonly sizeBytes: number
}

export interface MessageFacts {
  readonly uid: Uid
  readonly modSeq: ModSeq
  readonly flags: Flags
  readonly internalDateMs: number
  readonly saveDateMs: number
  /** RFC822.SIZE: header block plus body. */
  readonly sizeBytes: number
  /** RFC 8474 EMAILID: the same for every copy of the same bytes by COPY or MOVE. */
  readonly emailId: string
}

/** The exact bytes of one message as IMAP serves it: our header block, then the body as received. */
export interface MessageBytes {
  readonly sizeBytes: number
  /** Bytes from `offset`, `length` or fewer at the end. Works after an expunge for as long as any session still shows the message. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/** Told to every session that has the mailbox open, after commit, in order. The session answers the client when the protocol allows it. */
export type MailboxChange =
  | { readonly kind: 'changed' }
  /** The mailbox is gone or the shard no longer serves this account: the session says BYE. */
  | { readonly kind: 'closed'; readonly reason: string }

/**
 * What a session believes about a mailbox: an immutable snapshot. `uids` is shared between sessions and may be longer
 * than `exists`; only the first `exists` entries belong to the view, ascending. Sequence number n is `uids[n - 1]`.
 */
export interface MailboxView {
  readonly uids: Uint32Array
  readonly exists: number
  /** Everything up to this MODSEQ is reflected in the view. */
  readonly modSeq: ModSeq
  readonly uidNext: number
}

/** What happened between a view and now. */
export interface MailboxDelta {
  readonly view: MailboxView
  /** UIDs of the old view that are no longer there, ascending. */
  readonly vanished: readonly Uid[]
  /** Messages of the old view whose flags changed since, ascending by UID. */
  readonly changed: readonly MessageFacts[]
  /** Where new messages begin in the new view: index of the first, equal to `view.exists` if there are none. */
  readonly firstNew: number
}

/** UIDs `from` up to and with `to`. */
export interface UidRange {
  readonly from: number
  readonly to: number
}

export interface StoreRequest {
  readonly uids: readonly Uid[]
  readonly change: FlagChange
  readonly flags: Flags
  /** RFC 7162: messages changed after this MODSEQ are left alone and reported. */
  readonly unchangedSince?: ModSeq
}

export interface StoreResult {
  /** Facts of all messages of the request that exist (or existed and are still shown), after the change. */
  readonly facts: readonly MessageFacts[]
  /** UIDs that failed the UNCHANGEDSINCE test. */
  readonly modified: readonly Uid[]
}

/** RFC 4315 COPYUID: `source[i]` became `target[i]`. */
export interface CopyResult {
  readonly uidValidity: number
  readonly source: readonly Uid[]
  readonly target: readonly Uid[]
}

/** A letter that a client brings. */
export interface NewLetter {
  readonly flags: Flags
  /** Null: now. */
  readonly internalDateMs: number | null
  /** The literal in the pieces in which it arrived. */
  readonly body: readonly Uint8Array[]
}

export interface AppendRequest extends NewLetter {
  readonly mailbox: string
}

/** RFC 4315 APPENDUID. */
export interface Appended {
  readonly uidValidity: number
  /** Ascending. */
  readonly uids: readonly Uid[]
}

/** An annotation (RFC 5464). */
export interface MetadataEntry {
  /** In lower case, as `/private/comment`. */
  readonly name: string
  readonly value: Uint8Array
}

export interface MetadataChange {
  readonly name: string
  readonly value: Uint8Array | null
}

/** RFC 9208: one quota root for each account, on what its letters weigh together. */
export interface Quota {
  readonly usedBytes: number
  /** Null: none. */
  readonly limitBytes: number | null
}

/** A text that letters are searched for. */
export interface TextWish {
  readonly part: 'header' | 'body'
  /** As `fold()` makes it. */
  readonly text: string
}

/** What a text index knows. It spares a search the letters that cannot match; it never says which do. */
export interface TextFilter {
  /** False: for certain `message` has no such text there (`session/search/letter-text.ts` says which texts count). */
  mayHave(wish: TextWish, message: MessageFacts): boolean
  /** For texts that few letters can have: UIDs outside of which no letter has it, ascending. */
  readonly within: ReadonlyMap<TextWish, readonly UidRange[]>
}

/** What a commit changed in an account. */
export type AccountChange =
  /** Messages, or names and subscriptions. */
  | { readonly kind: 'changed' }
  /** Annotations of a mailbox, or (null) of the account as a whole. */
  | { readonly kind: 'metadata'; readonly mailbox: MailboxId | null; readonly names: readonly string[] }

/** One mailbox that a session has selected. */
export interface OpenMailbox {
  readonly info: MailboxInfo
  readonly readOnly: boolean
  /** The view at SELECT. */
  readonly view: MailboxView
  /** Claims \Recent for this session: UIDs above the returned one (and below `uidNext`) are recent here and nowhere else. */
  claimRecent(): Promise<number>
  status(): MailboxStatus
  /** The newest committed view against `from`. Cheap when nothing changed. */
  delta(from: MailboxView): MailboxDelta
  /** Facts for `uids` (ascending), also of messages that were expunged while this session still shows them; unknown ones are left out. */
  facts(uids: readonly Uid[]): MessageFacts[]
  /** UIDs of messages that were added or changed after `modSeq`, ascending, as of now: newer than the session's view perhaps. */
  changedSince(modSeq: ModSeq): Uint32Array
  /** UIDs that were expunged after `modSeq`, ascending and merged, as of now. Complete however long ago that is (RFC 7162 section 3.2). */
  vanishedSince(modSeq: ModSeq): readonly UidRange[]
  /** All keywords in use, for the FLAGS response. */
  keywords(): readonly string[]
  message(uid: Uid): MessageBytes | null
  store(request: StoreRequest): Promise<StoreResult>
  /** Expunges those of `uids` that carry \Deleted (null: all that do); returns what went. */
  expunge(uids: readonly Uid[] | null): Promise<readonly Uid[]>
  /** @param options Absent: into the same account, with all flags. */
  copy(uids: readonly Uid[], target: string, options?: CopyOptions): Promise<CopyResult>
  /** Puts a letter into `request.mailbox` and expunges `uid` here, both or neither (RFC 8508). Null: `uid` is gone already, and nothing was done. */
  replace(uid: Uid, request: AppendRequest): Promise<Appended | null>
  move(uids: readonly Uid[], target: string): Promise<CopyResult>
  /** For a search by `wishes` in what this session shows now. Null: every letter must be looked at. */
  textFilter(wishes: readonly TextWish[]): Promise<TextFilter | null>
  /** Frees the snapshot; the session no longer shows anything of it. */
  close(): void
}

/** Everything an IMAP session may do with one account. */
export interface ImapAccount {
  readonly id: AccountId
  /** Sorted by name. Committed state, from memory. */
  mailboxes(): readonly MailboxInfo[]
  /** Names that are subscribed, also of mailboxes that no longer exist (RFC 9051 section 6.3.9). */
  subscriptions(): readonly string[]
  /** Null if there is no such mailbox. INBOX in any case. */
  find(name: string): MailboxInfo | null
  status(mailbox: MailboxId): MailboxStatus
  /** @param listener Called after each commit that touched the mailbox. */
  open(mailbox: MailboxId, readOnly: boolean, listener: (change: MailboxChange) => void): Promise<OpenMailbox>
  /** Calls `listener` after each commit that touched the account. @returns The end of it, safe to call again */
  watch(listener: (change: AccountChange) => void): () => void
  create(name: string, specialUse: SpecialUse | null): Promise<MailboxInfo>
  rename(from: string, to: string): Promise<void>
  delete(name: string): Promise<void>
  subscribe(name: string, on: boolean): Promise<void>
  append(request: AppendRequest): Promise<{ uidValidity: number; uid: Uid }>
  /** All of `letters`, or none (RFC 3502). */
  appendAll(mailbox: string, letters: readonly NewLetter[]): Promise<Appended>
  /** Bytes an APPEND may have (RFC 7889). */
  readonly appendLimitBytes: number
  /** Committed state, from memory. */
  quota(): Quota
  /** Annotations by name. @param mailbox Null: those of the account as a whole */
  metadata(mailbox: MailboxId | null): readonly MetadataEntry[]
  /** Sets all of `entries`, or none. A null value takes an annotation away. */
  setMetadata(mailbox: MailboxId | null, entries: readonly MetadataChange[]): Promise<void>
  /** Bytes that one annotation may have. */
  readonly metadataValueBytesMax: number
  /** Bytes of the messages that carry \Deleted. */
  deletedBytes(mailbox: MailboxId): number
  /** Absent: mailboxes are not shared. */
  readonly access?: AccessControl
}

/** An account that others may look into, as its owner has it. */
export interface OwnerAccount extends ImapAccount {
  /** Committed state; none of a mailbox that is gone. */
  grants(mailbox: MailboxId): readonly Grant[]
  /** @param rights Empty: takes the grant away. */
  setGrant(mailbox: MailboxId, identifier: string, rights: string): Promise<void>
  /** Under which addresses others know the account, the one that they see first; kept with it. */
  setAddresses(addresses: readonly string[]): Promise<void>
}
