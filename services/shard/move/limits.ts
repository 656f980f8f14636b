/** Limits and times of moves, each with its reason. */

/** Bytes of one piece of a copy: both sides hold one whole. A letter's record (1 MiB) fits in beside others. */
export const BATCH_BYTES = 2 * 1024 * 1024
/** What a target takes in at most: a piece, and one more fact. */
export const BATCH_BYTES_MAX = 12 * 1024 * 1024
/** Messages of one page: 10 ms of the event loop at either side. */
export const PAGE_ROWS = 500
/** Annotations in one record of a copy: each may have 16 KiB. */
export const ENTRIES_PER_RECORD = 64
/** One fact of a copy: well below what a record may hold. */
export const FACT_BYTES_MAX = 8 * 1024 * 1024
/** Header blocks and facts of a page: below what one record may hold. */
export const PAGE_BYTES = 4 * 1024 * 1024
/** Names of copied records that both sides remember, so that letters with several copies travel once: some MiB. */
export const BODIES_REMEMBERED = 50_000
/** What is copied in a second, all moves of a shard together: the disks and the network belong to users first. */
export const COPY_BYTES_PER_SECOND = 64 * 1024 * 1024
/** Accounts of one shard that are copied at once; others wait for their turn. */
export const MOVES_AT_ONCE = 4
/** Writes stop when the last round was as quick, or as small. */
export const CAUGHT_UP_MS = 60
export const CAUGHT_UP_CHANGES = 50
/** Rounds after which writes stop anyway. */
export const ROUNDS_MAX = 20
/** Writes wait so long for the last round; then they go on, and the move tries again. */
export const FREEZE_MS = 400
/** Tries to stop writes. */
export const FREEZES_MAX = 20
/** Steps that may fail one after the other, with a pause each, as when a letter cannot be read: two minutes or more. */
export const FAILURES_MAX = 500
/** A target that is away for so long before the decision ends the move. */
export const AWAY_MS = 120_000
/** A move that is given up waits so long to tell the target. A target that was not told finds out by itself. */
export const DROP_MS = 30_000
/** A letter in the queue that is being tried at each look for so long stays where it is. */
export const QUEUE_MS = 60_000
/** Between two tries. */
export const RETRY_MS = 250
/** How long one question looks for the target's primary. */
export const PATIENCE_MS = 2_000
/** What arrives and was not heard of for so long is asked for at its source. */
export const ORPHAN_MS = 15 * 60_000
export const ORPHAN_LOOK_MS = 60_000
/** Moves that are over and can still be asked for. */
export const FINISHED_REMEMBERED = 200
