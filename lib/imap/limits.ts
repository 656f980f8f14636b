/**
 * Limits of the IMAP engines on everything that comes from a client, each with its reason. A client that stays inside
 * the protocol's ordinary use never meets one; all of them bound memory or time per session.
 */
export const KIB = 1024
export const MIB = 1024 * KIB

/** Before login only names, passwords, SASL data and ID are said: nobody unknown may make us hold more. */
export const LOGIN_LINE_BYTES_MAX = 8 * KIB
/** RFC 9051 section 4: servers should take 8,000 bytes; clients send sequence sets of tens of KiB in one line. */
export const SESSION_LINE_BYTES_MAX = 64 * KIB

/** RFC 7888 section 5: LITERAL- is non-synchronising up to here only. Also the most a name or password may have. */
export const LITERAL_MINUS_BYTES_MAX = 4096
/** Literals of one command other than APPEND, together: mailbox names, search strings. */
export const ARGUMENT_LITERAL_BYTES_MAX = 64 * KIB
/** SEARCH with one literal per key; each costs an object. */
export const LITERALS_MAX = 200

/**
 * Bytes of a refused command that are read and dropped to stay in step with a client that did not wait (RFC 7888
 * section 4). Beyond that closing is cheaper for both sides.
 */
export const LOGIN_SKIP_BYTES_MAX = 64 * KIB
export const SESSION_SKIP_BYTES_MAX = 128 * MIB

/** A SASL response line; GSSAPI and OAuth tokens need more than a command line (RFC 4954 section 4 says 12,288). */
export const SASL_LINE_BYTES_MAX = 12_288

/** RFC 2971 section 3.3: at most 30 pairs, keys of 30 and values of 1,024 bytes. */
export const ID_PAIRS_MAX = 30
export const ID_KEY_BYTES_MAX = 30
export const ID_VALUE_BYTES_MAX = 1024

/** BAD answers after which a connection that never logged in is closed: it speaks another protocol or attacks. */
export const LOGIN_BAD_COMMANDS_MAX = 10
/** The same for a session: a program in a loop. Counted without a good command between. */
export const SESSION_BAD_COMMANDS_MAX = 100

/** Depth of parentheses in SEARCH and others: the parser and the evaluator recurse. */
export const NESTING_MAX = 64
/** Keys of one SEARCH: the cost per message grows with each. */
export const SEARCH_KEYS_MAX = 1024
/** Keys of one SORT: there are nine, and each may be reversed. */
export const SORT_CRITERIA_MAX = 18
/** Messages of one SORT: each costs a row with its keys until the answer is written, 100 MB together. */
export const SORT_MESSAGES_MAX = 500_000
/** Results that one session has followed at once (CONTEXT), and what each may hold: a list of it is kept. */
export const CONTEXTS_MAX = 16
export const CONTEXT_RESULTS_MAX = 100_000
/** Ancestors of one letter that THREAD looks at, the nearest: those tie it to letters that name the others. */
export const REFERENCES_MAX = 100
/** Messages of one THREAD together with ancestors that are not there. */
export const THREAD_NODES_MAX = 500_000
/** Items of one FETCH: the cost per message grows with each. */
export const FETCH_ITEMS_MAX = 256
/** Names in one BODY[HEADER.FIELDS (...)]. */
export const HEADER_FIELDS_MAX = 256
/** RFC 2046 trees have single-digit depth; MIME numbers beyond this name nothing. */
export const SECTION_DEPTH_MAX = 64
/** Flags of one STORE or APPEND, and the length of a keyword: they are kept per message. */
export const FLAGS_MAX = 64
export const KEYWORD_BYTES_MAX = 128
/** As sent, in modified UTF-7. The store has its own, smaller limit on the decoded name. */
export const MAILBOX_NAME_BYTES_MAX = 2048
/** Annotations of one GETMETADATA or SETMETADATA, and the length of a name (RFC 5464). */
export const METADATA_ENTRIES_MAX = 100
export const METADATA_NAME_BYTES_MAX = 512
/** Of somebody to whom a mailbox is shared (RFC 5321 section 4.5.3.1: 64 and 255 bytes with the @). */
export const ACL_IDENTIFIER_BYTES_MAX = 320
/** Event groups of one NOTIFY: each is looked at for each mailbox that changed. */
export const NOTIFY_GROUPS_MAX = 32
/** Patterns of one LIST: the cost per mailbox grows with each. */
export const LIST_PATTERNS_MAX = 64
/** Pattern times name is the cost of matching one mailbox. */
export const LIST_PATTERN_BYTES_MAX = 1024

/** Text collected before it is handed to the host: one write for many small responses. */
export const FLUSH_BYTES = 32 * KIB
/** Bodies up to here are copied once into the write of the text around them: cheaper than writes of their own. */
export const GATHERED_BODY_BYTES_MAX = 16 * KIB
/** One read of a message and one write of it; two of these are all that a FETCH holds of a body. */
export const FETCH_CHUNK_BYTES = 256 * KIB
/** Sessions of a process with COMPRESS: each holds 40 KiB of its client's window. */
export const COMPRESSED_SESSIONS_MAX = 2_000
/** One piece of unpacked input. */
export const INFLATE_PIECE_BYTES = 8 * KIB
/** What unpacks to more than this and so many times its size is a flood: deflate reaches 1,000, letters seldom 10. */
export const INFLATE_FREE_BYTES = 64 * MIB
export const INFLATE_RATIO_MAX = 100
/** RFC 8970 section 3.2: a preview has 200 characters at most; they are looked for in this much of the text. */
export const PREVIEW_CHARS_MAX = 200
export const PREVIEW_READ_BYTES = 32 * KIB
/** Messages whose facts are asked for at once; after each batch other sessions get their turn. */
export const FACTS_BATCH = 512
/** Numbers of one search result that are written before others get a turn: a millisecond. */
export const RESULT_BATCH = 8192
/** Messages whose bytes were read before others get a turn: reads from a cache would not give them one. */
export const DEEP_BATCH = 16
/** Bytes of an APPEND whose line ends are checked before others get a turn: some milliseconds. */
export const APPEND_CHECK_BYTES = 1 * MIB
/** Messages changed by one request to the store: one log record each request. */
export const STORE_BATCH = 8192
/** First read when only the header is wanted; most header blocks fit. */
export const HEADER_READ_BYTES = 16 * KIB
/** A header block longer than this is cut here for ENVELOPE and SEARCH; BODY[HEADER] gives it all. */
export const HEADER_PARSE_BYTES_MAX = 1 * MIB
/** A VANISHED is cut into lines of about this: RFC 7162 section 4 advises clients and servers to keep to 8,192 bytes. */
export const VANISHED_BYTES_MAX = 7 * KIB
/** Own flag changes remembered so that they are not reported back; more than this and some are reported twice. */
export const TOLD_MAX = 65_536
/** Parts of all structures kept per process: each has about 1 KiB. */
export const STRUCTURE_PARTS_MAX = 16_384
/** Memory of all parsed headers kept per process: some 8,000 letters. */
export const HEADER_CACHE_BYTES = 32 * MIB
/** Memory of what SORT and THREAD know of letters, per process: some 60,000 letters. */
export const SORT_FIELDS_BYTES = 32 * MIB
