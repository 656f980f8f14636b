/** Limits on messages from outside. What lies beyond one is skipped or shown as one opaque part; offsets stay right, nothing fails. */

/** Multiparts and embedded messages around a part. Real mail stays below 20; IMAP clients recurse over BODYSTRUCTURE. */
export const NESTING_MAX = 100
/** Parts of one message, embedded ones included: bounds the tree. Mailing-list digests reach some hundreds. */
export const PARTS_MAX = 10_000
/** Header bytes of one part that are looked at: a To list of 20,000 addresses fits. */
export const HEADER_BYTES_MAX = 1024 * 1024
/** Header bytes of all parts of a message that are looked at: bounds the text held by the tree. */
export const HEADER_BYTES_TOTAL_MAX = 8 * 1024 * 1024
/** Addresses, parameters and languages of all parts of a message: each is an object, of as little as two bytes of header. */
export const ITEMS_MAX = 100_000
/** RFC 2046 section 5.1.1 allows 70 characters; some senders take more. A longer one is no boundary. */
export const BOUNDARY_BYTES_MAX = 250
/** How much of the beginning of a line is held to judge it: boundary with dashes and padding, or a field name. */
export const LINE_HEAD_BYTES_MAX = 1000
/** Parameters of one field, pieces of RFC 2231 section 3 counted apart. */
export const PARAMETERS_MAX = 1_000
/** Words and dots of one address, display name included. */
export const PHRASE_TOKENS_MAX = 1_000
/** A date has about 31 characters, comments come on top. */
export const DATE_CHARS_MAX = 200
/** RFC 2045 section 6.7 allows 76; white space at the end of lines longer than this is kept. */
export const QUOTED_PRINTABLE_LINE_BYTES_MAX = 64 * 1024
