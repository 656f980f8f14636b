/** Every bound of the log, with its reason. Bounds on one record stand in `types.ts`, because callers need them. */

/** A segment is read whole at start when it is the last one (rule 15): 64 MiB are read, proved and rewritten in under a second. */
export const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024

/** Batches are closed at the first of both: beyond, a bigger write makes no sync cheaper and only delays the first in line. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024
export const BATCH_RECORDS_MAX = 4096

/** One append is one batch, and offsets in a segment are u32: this keeps both far from their ends. */
export const APPEND_BYTES_MAX = 64 * 1024 * 1024

/** What may wait for the disk in memory before `append` refuses: about 16 batches, half a second of a good disk. */
export const PENDING_BYTES_MAX = 256 * 1024 * 1024

/** Rule 14: after so much idleness an empty batch header says that the last batch is durable. */
export const IDLE_HEADER_AFTER_MS = 100

/** Memory for offset tables of sealed segments (a segment of 4 KiB letters needs about 130 KiB). */
export const OFFSET_TABLE_BYTES_MAX = 16 * 1024 * 1024

/** Open files of sealed segments; the process has sessions to spend descriptors on. */
export const OPEN_SEGMENTS_MAX = 64

/** One read of `scan`: large enough that a rebuild runs at the speed of the disk. */
export const SCAN_READ_BYTES = 1024 * 1024

/** With `bodies: false` records longer than this are not read whole: a seek is cheaper than the rest of the body. */
export const SKIP_BODY_FROM_BYTES = 64 * 1024

/** Bodies of which a part was read, kept for the next part; a forgotten one is read and proved again. */
export const KEPT_BODIES_BYTES_MAX = 4 * 1024 * 1024

/** A footer larger than this is damage: 64 MiB of the smallest records need 2 MiB of offsets. */
export const FOOTER_BYTES_MAX = 256 * 1024 * 1024

/** Epochs in one log's vector; a pair that changed primary every minute for a month makes 43,200. */
export const EPOCHS_MAX = 1_000_000

/** Compaction reads and writes in such pieces: a few milliseconds of the processor each, and between them others have their turn. */
export const COMPACT_PIECE_BYTES = 1024 * 1024
