/**
 * IMAP responses out of a byte stream (RFC 9051 section 2.2.2), for a client that waits for one tagged line and looks into
 * little else. Literals are skipped by their length, so a letter that holds `a1 OK` does not confuse it.
 */
export type ImapResponse =
  | { readonly kind: 'untagged'; readonly text: string; readonly literalBytes: number }
  | { readonly kind: 'continuation' }
  | { readonly kind: 'tagged'; readonly tag: string; readonly status: string; readonly text: string }

const LF = 0x0a
const CR = 0x0d
const CLOSING_BRACE = 0x7d

/** Feed chunks with `push`; it gives the responses that are complete. Texts are without literals and line ends. */
export class ImapResponses {
  #pending: Buffer | null = null
  #literalLeft = 0
  #text = ''
  #literalBytes = 0

  push(chunk: Buffer): ImapResponse[] {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk])
    const responses: ImapResponse[] = []
    let start = 0
    for (;;) {
      const skipped = Math.min(this.#literalLeft, bytes.length - start)
      this.#literalLeft -= skipped
      start += skipped
      const end = this.#literalLeft > 0 ? -1 : bytes.indexOf(LF, start)
      if (end < 0) break
      const line = bytes.toString('latin1', start, bytes[end - 1] === CR ? end - 1 : end)
      start = end + 1
      this.#text += line
      const size = line.charCodeAt(line.length - 1) === CLOSING_BRACE ? literalSize(line) : null
      if (size !== null) {
        this.#literalLeft = size
        this.#literalBytes += size
        continue
      }
      responses.push(parseResponse(this.#text, this.#literalBytes))
      this.#text = ''
      this.#literalBytes = 0
    }
    this.#pending = start === bytes.length ? null : bytes.subarray(start)
    return responses
  }
}

/** The length in `{n}` at the end of a line, or null. */
function literalSize(line: string): number | null {
  const match = /\{([0-9]+)\}$/.exec(line)
  return match === null ? null : Number(match[1])
}

function parseResponse(text: string, literalBytes: number): ImapResponse {
  if (text.startsWith('* ')) return { kind: 'untagged', text: text.slice(2), literalBytes }
  if (text.startsWith('+')) return { kind: 'continuation' }
  const [tag = '', status = ''] = text.split(' ', 2)
  return { kind: 'tagged', tag, status, text: text.slice(tag.length + status.length + 2) }
}
