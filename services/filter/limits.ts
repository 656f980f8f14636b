/** What one client or letter may make a filter hold or repeat, each with its reason. */

/** A filter that is at work says so that often: mail servers give up after some minutes of silence (Postfix: 300 s at the end of a message). */
export const PROGRESS_EVERY_MS = 5_000
/** A mail server that keeps its connection for the next letter says something within this time, or the connection is closed. */
export const IDLE_MS = 600_000
/** Of text that engines read in one letter, decoded: beyond it spam repeats itself. */
export const TEXT_CHARACTERS_MAX = 512 * 1024
/** Of one attachment that is looked into, decoded. */
export const ATTACHMENT_BYTES_MAX = 32 * 1024 * 1024
/** Attachments that are looked at one by one. */
export const ATTACHMENTS_MAX = 200
/** What comes out of all archives of one letter together: bytes, and files. */
export const ARCHIVE_BYTES_MAX = 96 * 1024 * 1024
export const ARCHIVE_ENTRIES_MAX = 2000
/** Answers of foreign engines: a name or a report, never a letter. */
export const ENGINE_ANSWER_BYTES_MAX = 256 * 1024
/** Verdicts kept by content, and for how long: signatures change. */
export const VERDICTS_MAX = 20_000
export const VERDICT_LIFE_MS = 600_000
/** One letter that is learned: what is read of it stands at its beginning. */
export const LESSON_BYTES_MAX = 512 * 1024
/** A rotated certificate is taken within this time. */
export const TLS_LOOK_MS = 10_000
