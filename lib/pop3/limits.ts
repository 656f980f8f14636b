/** What a POP3 client may make us hold or repeat, each with its reason. */

/** RFC 2449 section 4: a command has at most 255 octets with its CRLF. */
export const COMMAND_LINE_BYTES_MAX = 255

/** RFC 5034 section 4: lines of an AUTH exchange may be longer; 12,288 is what RFC 4954 section 4 asks of SMTP for the same mechanisms. */
export const AUTH_LINE_BYTES_MAX = 12_288

/** Wrong or unknown commands in one session: people mistype a few, machines that talk another protocol go on for ever. */
export const COMMAND_ERRORS_MAX = 20

/** Bytes kept behind a login that waits for its verdict: the chunk in flight when the host stopped reading, and some more. */
export const PIPELINED_BYTES_MAX = 128 * 1024

/** Piece of a message read and sent at once: large enough for one system call each, small enough for many slow readers. */
export const READ_BYTES = 64 * 1024

/** Listing text gathered before it is written: a maildrop of 100,000 letters must not become one string. */
export const LISTING_BYTES = 16 * 1024

/** Of a header that is looked through for addresses that need UTF8; fields of addresses stand in front of the long ones. */
export const HEADER_LOOK_BYTES_MAX = 64 * 1024
