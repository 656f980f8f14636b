/** Every bound of upkeep, with its reason. */

/** Rule 10: a replica or cursor that lags more is not waited for: it gets a full copy, which costs less than keeping everything. */
export const LAG_BYTES_MAX = 16 * 1024 * 1024 * 1024
/** ... nor one that was not heard of for so long: somebody would have repaired it. */
export const AWAY_MS_MAX = 7 * 24 * 60 * 60 * 1000

/** How long the bytes of an expunged message stay: people notice within days what they deleted by mistake. */
export const RETENTION_MS = 14 * 24 * 60 * 60 * 1000
/** Retention when the disk is nearly full (rule 16). */
export const RETENTION_WHEN_FULL_MS = 60 * 60 * 1000

/** Messages of the index that one step of a mark looks at: some milliseconds. */
export const MARK_ROWS = 1_000
/** Between two steps of a mark: letters and sessions come first. */
export const MARK_PAUSE_MS = 5

/** Expunged messages that the index forgets in one step: some milliseconds. */
export const FORGET_ROWS = 500

/** What upkeep may read and write in a second: a tenth of a plain SSD. */
export const COMPACT_BYTES_PER_SECOND = 32 * 1024 * 1024
/** ... when the disk is nearly full. */
export const COMPACT_BYTES_PER_SECOND_WHEN_FULL = 128 * 1024 * 1024
export const SCRUB_BYTES_PER_SECOND = 8 * 1024 * 1024

/** Of a volume, for one file of the reserve: a small one would be nothing but reserve. */
export const RESERVE_FILE_SHARE_MAX = 0.02

/** Rule of the weekly scrub. */
export const SCRUB_EVERY_MS = 7 * 24 * 60 * 60 * 1000

/** How often it is decided what to do next. */
export const LOOK_MS = 10_000
