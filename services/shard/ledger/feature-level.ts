/**
 * What the binaries of both members of a shard understand. The ledger entry carries the level; only the operator raises it, once both
 * members run the new binary. Until then everything is written as the level before it was, so that the image can be rolled back.
 *
 *   1  the first
 *   2  a mirror says how large its volume is and whether it waits for space (`PeerSpace`, frames of version 2)
 *   3  facts of moves between shards are in the log (`../records/move-records.ts`)
 */

/** The highest that this binary knows, and that of a shard which begins with it. */
export const FEATURE_LEVEL = 3
/** From here on a mirror sends its whole `PeerSpace`. */
export const LEVEL_OF_PEER_SPACE = 2
/** From here on accounts may leave a shard and come to it. */
export const LEVEL_OF_MOVES = 3
