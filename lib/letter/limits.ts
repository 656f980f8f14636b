/** What a letter's header may make us look at and hold, each with its reason. */

/** RFC 5321 section 6.3: a loop detector must let at least 100 Received fields pass. */
export const HOPS_MAX = 100

/** Bytes searched for the end of the header section. Real headers have 1 to 40 KiB; what lies behind this bound is not looked at, only stored. */
export const HEADER_SCAN_BYTES_MAX = 256 * 1024

/** RFC 5322 section 2.1.1: lines that we write stay below this where they can be folded. */
export const LINE_CHARACTERS_WANTED = 78

/** RFC 5321 section 4.5.3.1.2: a domain has at most 255 octets; a HELO name beyond it is cut in the trace field. */
export const HELO_CHARACTERS_MAX = 255
