/**
 * Parts of a message without their transfer encoding (RFC 3516, RFC 9051 section 6.4.5). The size stands before the bytes in a
 * response, so a large part is decoded twice: once to know it, once to write it. It is never held as a whole.
 */
import { type ByteRange, partAt, transferDecoder } from '#lib/mime/mod.ts'
import { FETCH_CHUNK_BYTES } from '../limits.ts'
import type { Section } from '../syntax/section.ts'
import { refusal } from '../syntax/syntax-error.ts'
import type { MessageReader } from './message-reader.ts'

const KNOWN_ENCODINGS: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary', 'base64', 'quoted-printable'])

export class BinaryPart {
  readonly #message: MessageReader
  readonly #range: ByteRange
  readonly #encoding: string
  /** All of it, if it is small. */
  #whole: Buffer | null = null
  sizeBytes = 0
  /** Then it needs a literal8. */
  hasNul = false

  private constructor(message: MessageReader, range: ByteRange, encoding: string) {
    this.#message = message
    this.#range = range
    this.#encoding = encoding
  }

  /** Null: the message has no such part. @throws {ImapSyntaxError} UNKNOWN-CTE for an encoding that nobody knows */
  static async open(message: MessageReader, section: Section): Promise<BinaryPart | null> {
    const range = await message.range(section)
    if (range === null) return null
    // No path: the whole message, which has no encoding of its own.
    const encoding = section.path.length === 0 ? '8bit' : partAt(await message.structure(), section.path)?.encoding
    if (encoding === undefined) return null
    if (!KNOWN_ENCODINGS.has(encoding)) throw refusal('UNKNOWN-CTE', 'The encoding of this part is not known')
    const part = new BinaryPart(message, range, encoding)
    await part.#survey()
    return part
  }

  /** Decoded bytes `start` up to, not including, `end`, in pieces. */
  async *bytes(start: number, end: number): AsyncGenerator<Buffer> {
    if (this.#whole !== null) {
      if (start < end) yield this.#whole.subarray(start, end)
      return
    }
    let at = 0
    for await (const piece of this.#decoded()) {
      const from = Math.max(0, start - at)
      const to = Math.min(piece.length, end - at)
      if (from < to) yield piece.subarray(from, to)
      at += piece.length
      if (at >= end) return
    }
  }

  async #survey(): Promise<void> {
    const small = this.#range.end - this.#range.start <= FETCH_CHUNK_BYTES
    const pieces: Buffer[] = []
    for await (const piece of this.#decoded()) {
      this.sizeBytes += piece.length
      this.hasNul ||= piece.includes(0)
      if (small) pieces.push(piece)
      else await this.#message.pause()
    }
    if (small) this.#whole = Buffer.concat(pieces)
  }

  async *#decoded(): AsyncGenerator<Buffer> {
    const decoder = transferDecoder(this.#encoding)
    for await (const chunk of this.#message.chunks(this.#range)) yield decoder.push(chunk)
    yield decoder.finish()
  }
}
