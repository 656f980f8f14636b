/** Sizes and times of backups that nobody has to choose. */
const MIB = 1024 * 1024

/** Of the records in one piece: so much is held in memory, and compressed and encrypted at once. */
export const PIECE_BYTES = 4 * MIB
export const READ_BYTES = MIB
/** What a new generation may read and send, beside the mail. */
export const BASE_BYTES_PER_SECOND = 32 * MIB
/** After a failure: the archive is another machine, which comes back when it comes back. */
export const AGAIN_AFTER_MS = 30_000
