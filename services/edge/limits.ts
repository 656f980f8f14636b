/** What clients may make an edge hold, repeat or wait for, each with its reason. What an administrator may want to change is in config.ts. */

export const KIB = 1024
export const MIB = 1024 * KIB

/** Letters up to here are kept until their shard has committed them, so that a try can be repeated; larger ones are streamed. */
export const BUFFERED_LETTER_BYTES_MAX = 1 * MIB

/** RFC 5321 section 4.5.3.2.7: a server waits at least 5 minutes for its client. */
export const SMTP_IDLE_MS = 5 * 60_000
/** How long a client that was told to go may take to read that and to close: a few round trips. */
export const GOODBYE_LINGER_MS = 2_000
/** Refused recipients of one connection after which it is closed: an address book is being guessed. */
export const REFUSED_RECIPIENTS_MAX = 50

/** Queries in one recipientsCheck frame: far below the frame limit, and enough for a mailing list's burst. */
export const RECIPIENTS_PER_CHECK_MAX = 256
/** Accounts whose last yes is remembered for a moment; a yes costs 100 bytes. */
export const RECIPIENTS_REMEMBERED_MAX = 10_000
/** `moved` answers followed for one account: each costs a round trip, and more than a few means that two shards disagree. */
export const MOVES_FOLLOWED_MAX = 3

/** Accounts behind one group: with their header blocks they fit one frame (256 KiB) even if all live on one shard. */
export const GROUP_ACCOUNTS_MAX = 300
/** Groups within groups: more is a mistake, or somebody's joke. */
export const GROUP_DEPTH_MAX = 8
/** Questions to the directory at once for one group. */
export const GROUP_LOOKUPS_AT_ONCE = 50

/** Failed logins on one connection (also POP3's and IMAP's own limit). */
export const LOGIN_FAILURES_MAX = 3
/** Every failed login waits this long; more for an address that goes on failing. Guessing is slow, a typing mistake bearable. */
export const LOGIN_FAILURE_DELAY_MS = 1_000
export const LOGIN_FAILURE_DELAY_MAX_MS = 10_000
/** After this time without failures an address is forgotten. */
export const LOGIN_FAILURE_MEMORY_MS = 10 * 60_000
/** Addresses whose failures are remembered: about 100 bytes each; the oldest is forgotten first. */
export const LOGIN_FAILURE_ADDRESSES_MAX = 50_000

/** Accounts whose last POP3 login is remembered where there is a delay between two: about 100 bytes each. */
export const LOGINS_REMEMBERED_MAX = 50_000

/** Time from connecting to a login: a dialogue takes seconds, and a pool may keep one connection in reserve. */
export const LOGIN_IDLE_MS = 60_000
/** A TLS handshake is two round trips; slow phones need seconds. */
export const TLS_HANDSHAKE_MS = 20_000
/** RFC 9051 section 5.4: an inactivity timer of IMAP is at least 30 minutes. */
export const IMAP_IDLE_MS = 30 * 60_000
/** RFC 1939 section 3: an inactivity timer of POP3 is at least 10 minutes. */
export const POP3_IDLE_MS = 10 * 60_000
/** How long a client whose session is over may take to read the last bytes. */
export const GOODBYE_FLUSH_MS = 30_000
/** One look at all sessions in this time, instead of one timer per session. */
export const SWEEP_MS = 30_000

/** Letters whose delivery ids are kept for clients that repeat them after 451; about 200 bytes and one id per recipient. */
export const LETTERS_KEPT_MAX = 20_000
/** How long: senders repeat within hours, and for longer the shard keeps ids itself (replication.md rule 7). */
export const DELIVERY_IDS_MEMORY_MS = 24 * 3_600_000

/** How often certificates on disk are looked at. */
export const TLS_LOOK_MS = 30_000
