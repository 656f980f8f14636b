/**
 * The shape of a parsed message: a tree of parts that says where each part lies in the stored bytes. It holds no bytes of
 * bodies. All offsets count from the first byte of the message as IMAP serves it (our header block, then the body as received).
 *
 * Invariants of every part: `headerStart <= headerEnd <= bodyEnd`, children lie inside their parent's body, in order,
 * without overlap. Text is Unicode: raw 8-bit bytes were read as UTF-8, or by a fallback charset if they are not valid UTF-8
 * (charset.ts), and holds no CR, LF or NUL. RFC 2047 words are left as they are, as ENVELOPE and BODYSTRUCTURE want them;
 * `decodeWords` turns them into what a person reads.
 */

/** Bytes `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** One parameter of Content-Type or Content-Disposition. */
export interface Parameter {
  /** Lower case, without the asterisks of RFC 2231. */
  readonly name: string
  /** What a person reads: RFC 2231 continuations joined, percent octets and charset decoded. */
  readonly value: string
  /**
   * As IMAP shows it (RFC 2231 section 6: continuations joined, charset left encoded): `filename*` and `utf-8''%e2%82%ac` where
   * the field was encoded, otherwise the same as `name` and `value`.
   */
  readonly wireName: string
  readonly wireValue: string
}

export interface Disposition {
  /** Lower case, as `attachment`. */
  readonly type: string
  readonly params: readonly Parameter[]
}

interface PartFields {
  /** First byte of the header of this part. */
  readonly headerStart: number
  /** After the blank line: the first byte of the body. */
  readonly headerEnd: number
  /** The line end before a boundary belongs to the boundary (RFC 2046 section 5.1.1), so not to the body. */
  readonly bodyEnd: number
  /** Lines of the body; a last line without a line end counts. */
  readonly lines: number
  /** Lower case. `text`/`plain` with charset us-ascii where the field is absent or broken (RFC 2045 section 5.2). */
  readonly type: string
  readonly subtype: string
  readonly params: readonly Parameter[]
  /** Content-ID with its angle brackets. */
  readonly id: string | null
  readonly description: string | null
  /** Lower case, `7bit` where the field is absent. May be any token that the sender made up. */
  readonly encoding: string
  readonly md5: string | null
  readonly disposition: Disposition | null
  readonly language: readonly string[]
  readonly location: string | null
}

/** A part without parts. Never of type multipart, message/rfc822 or message/global: what cannot be opened is shown as another type. */
export interface LeafPart extends PartFields {
  readonly kind: 'leaf'
}

export interface MultiPart extends PartFields {
  readonly kind: 'multipart'
  readonly type: 'multipart'
  /** At least one. */
  readonly parts: readonly MimePart[]
}

/** message/rfc822 or message/global: its body is a message of its own. */
export interface MessagePart extends PartFields {
  readonly kind: 'message'
  readonly type: 'message'
  readonly message: MimeMessage
}

export type MimePart = LeafPart | MultiPart | MessagePart

/** A whole message: the stored one, or one inside a message/rfc822 part. */
export interface MimeMessage {
  readonly envelope: Envelope
  /** Its header is the message's header, its body the message's text. */
  readonly root: MimePart
}

/**
 * One entry of an address list in the shape of RFC 9051 section 7.5.2. A group begins with an entry that has a `mailbox` (the
 * group's name) and a null `host`, and ends with one where both are null. `mailbox` and `host` of an address are never
 * null: what is missing is the empty string.
 */
export interface Address {
  /** Display name: quotes and folding undone, RFC 2047 words left. */
  readonly name: string | null
  /** Source route, as `@a,@b` (obsolete). */
  readonly adl: string | null
  readonly mailbox: string | null
  readonly host: string | null
}

/** RFC 9051 section 7.5.2, in its order. An empty list of addresses is NIL; a null text is NIL, an empty one is "". */
export interface Envelope {
  readonly date: string | null
  readonly subject: string | null
  readonly from: readonly Address[]
  /** The same as `from` where the field is absent or empty. */
  readonly sender: readonly Address[]
  /** The same as `from` where the field is absent or empty. */
  readonly replyTo: readonly Address[]
  readonly to: readonly Address[]
  readonly cc: readonly Address[]
  readonly bcc: readonly Address[]
  readonly inReplyTo: string | null
  readonly messageId: string | null
}

/** RFC 9051 section 6.4.5.1: what of a part is wanted; null is the part itself. HEADER also serves HEADER.FIELDS and its NOT. */
export type SectionText = 'HEADER' | 'TEXT' | 'MIME' | null

/** A point in time with the offset of the clock that showed it. */
export interface MailDate {
  readonly ms: number
  /** Minutes east of UTC. The sender's calendar day (SENTON) is the UTC day of `ms + zoneMinutes * 60_000`. */
  readonly zoneMinutes: number
}
