/** What an SMTP client may make the receiver hold or repeat, each with its reason. */

/**
 * RFC 5321 section 4.5.3.1.4: 512 bytes, and what extensions add (section 4.1.1.11): MAIL 26 for SIZE, 17 for BODY, 10 for
 * SMTPUTF8, 108 for DSN, 500 for AUTH; RCPT 528 for DSN. Twice their sum, so that nobody's rounding is refused.
 */
export const COMMAND_LINE_BYTES_MAX = 2048
/** RFC 4954 section 4: a line of an AUTH exchange has at most 12,288 bytes; the command before it is a few more. Longer ones end the connection. */
export const LINE_BYTES_MAX = 12_288 + 512

/**
 * RFC 5321 section 4.5.3.1.3 asks for 256, and for more where possible: bounce addresses of mailing systems carry another
 * address inside. Beyond this one a trace field could not be folded any more.
 */
export const PATH_BYTES_MAX = 320
/** RFC 1035 section 2.3.4. */
export const DOMAIN_BYTES_MAX = 255
export const LABEL_BYTES_MAX = 63

/** RFC 3461 section 4.4: at most 100 characters before encoding, three times as many as xtext. */
export const ENVID_CHARACTERS_MAX = 300
/** RFC 3461 section 4.2: at most 500. */
export const ORCPT_CHARACTERS_MAX = 500

/** Commands that are wrong or unknown since the last accepted letter: people mistype a few, machines that speak another protocol go on for ever. */
export const COMMAND_ERRORS_MAX = 20
/** Commands before AUTH where it is wanted: EHLO, STARTTLS, EHLO and a few tries. */
export const UNAUTHENTICATED_COMMANDS_MAX = 20

/** Input kept while an answer is awaited: more than a window of pipelined commands; a host stops reading there. */
export const PIPELINED_BYTES_MAX = 128 * 1024

/** Replies gathered before they must be written: EHLO makes twenty bytes of one, and 64 KiB of it is one read. */
export const OUTPUT_CHARACTERS_MAX = 64 * 1024
