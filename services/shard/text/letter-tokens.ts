/** The tokens of one letter: read, decoded and folded in the same pieces in which a search would look at it. */
import { FETCH_CHUNK_BYTES, HEADER_PARSE_BYTES_MAX } from '#lib/imap/limits.ts'
import { fold } from '#lib/imap/session/search/fold.ts'
import { headerText, textSources } from '#lib/imap/session/search/letter-text.ts'
import { Headers, type MimePart, PartTextDecoder, parseMessage } from '#lib/mime/mod.ts'
import { TOKENS_PER_COLUMN_MAX } from './limits.ts'
import { TokenCollector } from './tokens.ts'

export interface LetterTokens {
  readonly header: ReadonlySet<string>
  readonly body: ReadonlySet<string>
  /** False: there is more than was kept, so the letter is looked at in every search. */
  readonly complete: boolean
}

/** @param letter As it is served: header block, then body. */
export function letterTokens(letter: Buffer): LetterTokens {
  const { root } = parseMessage(letter)
  const header = new TokenCollector(TOKENS_PER_COLUMN_MAX)
  header.push(fold(headerText(headersAt(letter, root))))
  header.cut()
  const body = new TokenCollector(TOKENS_PER_COLUMN_MAX)
  for (const { kind, part } of textSources(root)) {
    if (kind === 'header') body.push(fold(headerText(headersAt(letter, part))))
    else pushText(letter, part, body)
    body.cut()
    if (!body.complete) break
  }
  return { header: header.tokens, body: body.tokens, complete: header.complete && body.complete }
}

function headersAt(letter: Buffer, part: MimePart): Headers {
  return new Headers(
    letter.subarray(part.headerStart, Math.min(part.headerEnd, part.headerStart + HEADER_PARSE_BYTES_MAX)),
  )
}

function pushText(letter: Buffer, part: MimePart, into: TokenCollector): void {
  const decoder = new PartTextDecoder(part)
  for (let at = part.headerEnd; at < part.bodyEnd && into.complete; at += FETCH_CHUNK_BYTES) {
    into.push(fold(decoder.push(letter.subarray(at, Math.min(at + FETCH_CHUNK_BYTES, part.bodyEnd)))))
  }
  into.push(fold(decoder.finish()))
}
