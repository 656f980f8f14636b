/** SMTP replies out of a byte stream (RFC 5321 section 4.2), as little work for each as can be. */
export interface SmtpReply {
  readonly code: number
  /** The last line, for error messages. */
  readonly text: string
}

const LF = 0x0a
const HYPHEN = 0x2d

/** Feed chunks with `push`; it gives the replies that are complete. Bytes of an unfinished line are kept. */
export class SmtpReplies {
  #pending: Buffer | null = null

  push(chunk: Buffer): SmtpReply[] {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk])
    const replies: SmtpReply[] = []
    let start = 0
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      // A hyphen after the code says that more lines of this reply follow.
      if (bytes[start + 3] !== HYPHEN) {
        replies.push({
          code: Number(bytes.toString('latin1', start, start + 3)),
          text: bytes.toString('latin1', start, end).trimEnd(),
        })
      }
      start = end + 1
    }
    this.#pending = start === bytes.length ? null : bytes.subarray(start)
    return replies
  }
}
