/** Limits of the directory's client side, each with its reason. */

/** Kept connections per process: one answers tens of thousands of searches a second; the second bridges a reconnect. */
export const POOL_CONNECTIONS = 2
/** A directory that has not answered by then is down for this letter or login: the peer tries again. */
export const OPERATION_TIMEOUT_MS = 3_000
export const CONNECT_TIMEOUT_MS = 2_000
/** Lookups of one account differ only in hints; a stale one costs a `moved`, and events drop it long before. */
export const POSITIVE_TTL_MS = 60_000
/** Short, so that an account made elsewhere works soon even when its event was missed. */
export const NEGATIVE_TTL_MS = 10_000
/** About 500 bytes each: 25 MB at most. */
export const CACHE_ENTRIES_MAX = 50_000
/** rules.md: a password check that succeeded is remembered at most 5 minutes. */
export const LOGIN_TTL_MS = 5 * 60_000
export const LOGIN_CACHE_ENTRIES_MAX = 20_000
/** Argon2id runs on Node's four threads, which files and names need too: two at once leave them room. */
export const HASHES_AT_ONCE = 2
/** About 10 s of work at two at once; whoever comes later is told to come again instead of waiting longer. */
export const HASHES_WAITING_MAX = 500
/** Page size of listings: a page is about 500 KB. */
export const PAGE_ENTRIES = 500
/** RFC 5321 section 4.5.3.1.1 and 4.5.3.1.2. */
export const LOCAL_PART_BYTES_MAX = 64
export const DOMAIN_BYTES_MAX = 253
export const ALIASES_MAX = 100
export const APP_PASSWORDS_MAX = 50
/** Members of one group: one entry of 20 KB at most; larger circles are groups of groups. */
export const GROUP_MEMBERS_MAX = 500
