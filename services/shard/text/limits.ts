/** Bounds of the text index, each with its reason. */

/** Letters whose text could not be kept whole are looked at in every search: this many tokens have 99.9 % of them. */
export const TOKENS_PER_COLUMN_MAX = 50_000
/** Larger letters are not read for the index (mostly attachments), and looked at in every search. */
export const INDEXED_LETTER_BYTES_MAX = 32 * 1024 * 1024
/** Different words that hold a part of a word asked for; with more of them the index decides too little. */
export const WORDS_ASKED_MAX = 1000
/** Terms in one question to FTS5. */
export const TERMS_PER_QUERY = 250
/** Words known to be there already, kept in memory of the worker: 20 MB at most. */
export const WORDS_REMEMBERED_MAX = 200_000
/** LSNs looked through in one step: what a crash makes the next start do again. */
export const FEED_STEP_LSNS = 500
/** Between two steps while there is more: others get their turn. */
export const BETWEEN_STEPS_MS = 5
/** How often the end of the index is looked at when there was nothing to do. */
export const FEED_IDLE_MS = 250
/** Share of its time: a process that does more than this has others to serve. */
export const BUSY_LOAD = 0.1
/** How many times as long as it worked the text index then rests: a twentieth of a core stays for it. */
export const REST_WHILE_BUSY = 20
/** After an error, as a full disk. */
export const FEED_RETRY_MS = 30_000
/** Of the volume: the text index can be rebuilt, mail cannot be taken in without space. */
export const FEED_FREE_SHARE_MIN = 0.1
