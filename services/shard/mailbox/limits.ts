/** Limits of the mail store. Whatever comes from outside is counted against one of these. */
import { QUEUE_LIMITS, type QueueLimits } from '../queue/limits.ts'
import { DELIVERY_MEMORY_MS } from '../records/types.ts'

export interface MailboxLimits {
  /** Largest letter, header block not counted. */
  readonly bodyBytesMax: number
  /** Header block of one recipient: trace fields and filter evidence; a few KiB in practice. */
  readonly headerBlockBytesMax: number
  /** Recipients of one delivery in this shard; RFC 5321 section 4.5.3.1.8 asks for 100. */
  readonly recipientsMax: number
  readonly mailboxesPerAccountMax: number
  readonly subscriptionsPerAccountMax: number
  /** Different keywords one mailbox ever had: they are announced at each SELECT. */
  readonly keywordsPerMailboxMax: number
  readonly keywordsPerMessageMax: number
  readonly keywordBytesMax: number
  /** One level of a mailbox name, in bytes of UTF-8: what file systems and other servers take, so that moves away work. */
  /** Annotations of an account with all its mailboxes (RFC 5464), and bytes of one. */
  readonly metadataPerAccountMax: number
  readonly metadataValueBytesMax: number
  readonly nameLevelBytesMax: number
  readonly nameDepthMax: number
  /** Messages of one mailbox: what fits in a map of 4 MiB and is still listed in a second. */
  readonly messagesPerMailboxMax: number
  /** Messages that one step of STORE, EXPUNGE, COPY or MOVE changes: some 50 ms of work, in which nobody else is served. */
  readonly messagesPerStepMax: number
  readonly sessionsPerAccountMax: number
  /** Accounts whose state is kept in memory; those in use are kept beyond it. About 3 KiB each. */
  readonly accountsInMemoryMax: number
  /** Bodies that were read lately and are kept in memory. */
  readonly bodyCacheBytes: number
  /** UIDs in the maps of mailboxes that nobody has open any more: 16 MiB. */
  readonly closedMailboxUidsMax: number
  /** Bytes of one streamed letter that wait for the disk before `write` holds the writer back. */
  readonly streamBytesInFlightMax: number
  /** How long a delivery id is remembered (rule 7 of the replication design). */
  readonly deliveryMemoryMs: number
  readonly queue: QueueLimits
}

export const MAILBOX_LIMITS: MailboxLimits = {
  bodyBytesMax: 50 * 1024 * 1024,
  headerBlockBytesMax: 64 * 1024,
  recipientsMax: 1_000,
  mailboxesPerAccountMax: 2_000,
  subscriptionsPerAccountMax: 4_000,
  keywordsPerMailboxMax: 1_000,
  keywordsPerMessageMax: 100,
  keywordBytesMax: 128,
  metadataPerAccountMax: 1_000,
  metadataValueBytesMax: 16 * 1024,
  nameLevelBytesMax: 255,
  nameDepthMax: 20,
  messagesPerMailboxMax: 1_000_000,
  messagesPerStepMax: 2_000,
  sessionsPerAccountMax: 64,
  accountsInMemoryMax: 10_000,
  bodyCacheBytes: 32 * 1024 * 1024,
  closedMailboxUidsMax: 4_000_000,
  streamBytesInFlightMax: 2 * 1024 * 1024,
  deliveryMemoryMs: DELIVERY_MEMORY_MS,
  queue: QUEUE_LIMITS,
}

/** Characters of an EMAILID (RFC 8474): 80 bits of chance, unique over all shards. */
export const EMAIL_ID_LENGTH = 16
/** `toMailboxId` in lib/mail/types.ts. */
export const MAILBOX_ID_LENGTH = 13
/** Header block bytes one record of COPY or MOVE carries: with the rest well below RECORD_META_BYTES_MAX. */
export const HEADER_BYTES_PER_RECORD_MAX = 8 * 1024 * 1024
/** Old delivery ids are looked for in small turns: 2,000 rows (some ms) every 10 s go through 17 million a day. */
export const SWEEP_INTERVAL_MS = 10_000
export const SWEEP_ROWS = 2_000
/** How long a letter stays in quarantine: who misses one asks within weeks. */
export const QUARANTINE_MS = 30 * 24 * 60 * 60_000
