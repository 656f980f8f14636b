/** The readable text of a message, for SEARCH. */
import { type CharsetDecoder, charsetDecoder } from './charset.ts'
import { parameter } from './parameters.ts'
import { type TransferDecoder, transferDecoder } from './transfer.ts'
import type { LeafPart, MimeMessage, MimePart } from './types.ts'

/** All text parts of a message in order, those of embedded messages included. */
export function textParts(message: MimeMessage): LeafPart[] {
  const found: LeafPart[] = []
  const waiting: MimePart[] = [message.root]
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (part.kind === 'message') waiting.push(part.message.root)
    else if (part.kind === 'multipart') waiting.push(...part.parts.toReversed())
    else if (part.type === 'text') found.push(part)
  }
  return found
}

/** Decodes the body of one part (bytes `headerEnd` to `bodyEnd`) that comes in pieces: transfer encoding, then charset. */
export class PartTextDecoder {
  readonly #transfer: TransferDecoder
  readonly #charset: CharsetDecoder

  constructor(part: MimePart) {
    this.#transfer = transferDecoder(part.encoding)
    this.#charset = charsetDecoder(parameter(part.params, 'charset'))
  }

  push(chunk: Uint8Array): string {
    return this.#charset.push(this.#transfer.push(chunk))
  }

  finish(): string {
    return this.#charset.push(this.#transfer.finish()) + this.#charset.finish()
  }
}

/** The text of one part of a message that is in memory as a whole. */
export function partText(part: MimePart, message: Uint8Array): string {
  const decoder = new PartTextDecoder(part)
  return decoder.push(message.subarray(part.headerEnd, part.bodyEnd)) + decoder.finish()
}
