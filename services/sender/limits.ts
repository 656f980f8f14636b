/** What a sender may hold and how long it waits, each with its reason. What an administrator may want to change is in config.ts. */

/** How long one question for items waits in the shard: shorter than the silence after which a stream is given up. */
export const TAKE_WAIT_MS = 2_500
/** After a shard could not be asked. */
export const TAKE_PAUSE_MS = 1_000
/** A question to a shard, while it changes its primary. */
export const SHARD_PATIENCE_MS = 10_000
/** What came of a letter is told for so long; after that the shard gives the letter out again. */
export const RESULT_PATIENCE_MS = 10 * 60_000
/** How often a sender says which attempts it has: well within the doubt of a shard (3 s). */
export const HOLDING_EVERY_MS = 1_000
/** A yes to "may this letter end" is worth so little after that it is asked again (rule 18: the machine may have stood still). */
export const CONFIRM_FRESH_MS = 1_000

export const CONNECT_TIMEOUT_MS = 20_000
export const TLS_TIMEOUT_MS = 30_000
/** A connection that has nothing to do is kept for the next letter. */
export const IDLE_CONNECTION_MS = 3_000
/** Letters over one connection: servers count, and a long connection hides that another host would be faster. */
export const LETTERS_PER_CONNECTION_MAX = 100

/** Connections to a destination: begun with, and at most. */
export const CONNECTIONS_AT_FIRST = 2
export const CONNECTIONS_MAX = 20
/** Items that wait for a connection, for each one that there may be. */
export const WAITING_PER_CONNECTION = 2

/** Letters that wait for a way out which many domains share: a slow one must not fill the hands of a sender. */
export const SHARED_WAITING_MAX = 50

/** A destination that cannot be reached is left alone for so long, twice as long each time. */
export const UNREACHABLE_PAUSE_MS = 30_000
export const UNREACHABLE_PAUSE_MS_MAX = 15 * 60_000
/** Destinations remembered without work; then the oldest are forgotten. */
export const DESTINATIONS_IDLE_MAX = 5_000

/** A letter up to this size, one answer of a shard, is held between signing and sending, and not read twice. */
export const HELD_LETTER_BYTES_MAX = 128 * 1024
/** Signatures kept for the other destinations of a letter and for its next try. */
export const SIGNED_LETTERS_KEPT = 2_000
export const SIGNATURE_FRESH_MS = 3_600_000
/** Domains whose keys are kept opened. */
export const KEYS_KEPT = 1_000
/** The file with what opens keys is read again after so long. */
export const SEAL_KEPT_MS = 10_000
/** Domains in From that are asked for; real letters have one. */
export const AUTHORS_MAX = 5

/** MTA-STS policies that are kept, and fetches that failed. */
export const STS_POLICIES_KEPT = 20_000
/** A policy is a few lines (RFC 8461 section 3.3 lets a sender bound it). */
export const STS_POLICY_BYTES_MAX = 64 * 1024
/** RFC 8461 section 3.3 proposes a minute; letters of the domain wait meanwhile. */
export const STS_FETCH_MS = 20_000
/** After a fetch that failed: five minutes, as section 3.3 proposes. */
export const STS_FETCH_PAUSE_MS = 300_000
