/**
 * What FETCH and SEARCH need to know of one message's bytes: header block, structure, ranges. Reads as little as the question
 * needs, and nothing twice; a whole body is never held.
 */
import { type ByteRange, findHeaderEnd, Headers, MessageScanner, type MimePart, section } from '#lib/mime/mod.ts'
import { FETCH_CHUNK_BYTES, HEADER_PARSE_BYTES_MAX, HEADER_READ_BYTES } from '../limits.ts'
import type { MessageBytes } from '../store.ts'
import type { Section } from '../syntax/section.ts'
import type { KnownHeader } from './header-cache.ts'
import type { SessionHost } from './host.ts'
import type { MessageStructure } from './message-structure.ts'

type ReaderHost = Pick<SessionHost, 'structures' | 'headers' | 'pause'>

interface Header {
  /** Where the header ends as lib/mime sees it: after the blank line, mostly. */
  readonly end: number
  /** The block with its blank line; cut at `HEADER_PARSE_BYTES_MAX`. */
  readonly block: Buffer
}

export class MessageReader {
  readonly #bytes: MessageBytes
  readonly #key: string
  readonly #host: ReaderHost
  #header: Header | null = null

  /** @param key Of the structure cache. */
  constructor(bytes: MessageBytes, key: string, host: ReaderHost) {
    this.#bytes = bytes
    this.#key = key
    this.#host = host
  }

  get sizeBytes(): number {
    return this.#bytes.sizeBytes
  }

  /** The message's header block, for parsing. */
  async headerBlock(): Promise<Buffer> {
    return (await this.#readHeader()).block
  }

  /** The message's header, parsed. */
  async header(): Promise<KnownHeader> {
    const known = this.#host.headers.get(this.#key)
    if (known !== undefined) return known
    const headers = new Headers(Buffer.from(await this.headerBlock()))
    const header: KnownHeader = { headers, envelope: null, threadId: null }
    this.#host.headers.set(this.#key, header)
    return header
  }

  async structure(): Promise<MessageStructure> {
    const cached = this.#host.structures.get(this.#key)
    if (cached !== undefined) return cached
    const scanner = new MessageScanner()
    for await (const chunk of this.chunks({ start: 0, end: this.sizeBytes })) {
      scanner.push(chunk)
      if (chunk.byteLength === FETCH_CHUNK_BYTES) await this.#host.pause()
    }
    const structure = scanner.finish()
    this.#host.structures.set(this.#key, structure)
    return structure
  }

  /** Where a section lies, or null if the message has none such. HEADER.FIELDS gives the whole header. */
  async range({ path, part }: Section): Promise<ByteRange | null> {
    if (path.length > 0) return section(await this.structure(), path, mimeSection(part.kind))
    switch (part.kind) {
      case 'all':
        return { start: 0, end: this.sizeBytes }
      case 'text':
        return { start: (await this.#readHeader()).end, end: this.sizeBytes }
      case 'header':
      case 'fields':
      case 'fields-not':
        return { start: 0, end: (await this.#readHeader()).end }
      case 'mime':
        return null
      default:
        return part satisfies never
    }
  }

  /** The header block that a HEADER section with a path names, for parsing. */
  async block(range: ByteRange): Promise<Buffer> {
    if (range.start === 0 && this.#header !== null) return this.#header.block
    return this.read(range.start, Math.min(range.end - range.start, HEADER_PARSE_BYTES_MAX))
  }

  /** The header block of a part. */
  partHeader(part: MimePart): Promise<Buffer> {
    return this.block({ start: part.headerStart, end: part.headerEnd })
  }

  /** Exactly `length` bytes. @throws {Error} if the store has fewer than it said. */
  async read(offset: number, length: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    let got = 0
    while (got < length) {
      const bytes = await this.#bytes.read(offset + got, length - got)
      if (bytes.byteLength === 0) {
        throw new Error(
          `Message ended at byte ${offset + got}, ${length - got} bytes before the end of what was asked for`,
        )
      }
      pieces.push(asBuffer(bytes))
      got += bytes.byteLength
    }
    const [only] = pieces
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
  }

  /** The bytes of `range` in pieces of `FETCH_CHUNK_BYTES`; each is read when the one before was used. */
  async *chunks(range: ByteRange): AsyncGenerator<Buffer> {
    for (let at = range.start; at < range.end; at += FETCH_CHUNK_BYTES) {
      yield await this.read(at, Math.min(FETCH_CHUNK_BYTES, range.end - at))
    }
  }

  /** Gives others a turn: decoding is work between reads. */
  pause(): Promise<void> {
    return this.#host.pause()
  }

  async #readHeader(): Promise<Header> {
    this.#header ??= await this.#findHeader()
    return this.#header
  }

  async #findHeader(): Promise<Header> {
    const cached = this.#host.structures.get(this.#key)
    if (cached !== undefined) return this.#headerOf(cached)
    const size = this.sizeBytes
    let kept = await this.read(0, Math.min(HEADER_READ_BYTES, size))
    for (;;) {
      const end = findHeaderEnd(kept, kept.length === size)
      if (end !== null) return { end, block: kept.subarray(0, end) }
      if (kept.length >= HEADER_PARSE_BYTES_MAX) return this.#headerOf(await this.structure())
      const more = Math.min(HEADER_PARSE_BYTES_MAX, 8 * kept.length, size) - kept.length
      kept = Buffer.concat([kept, await this.read(kept.length, more)])
    }
  }

  async #headerOf({ root }: MessageStructure): Promise<Header> {
    return { end: root.headerEnd, block: await this.read(0, Math.min(root.headerEnd, HEADER_PARSE_BYTES_MAX)) }
  }
}

function mimeSection(kind: Section['part']['kind']): 'HEADER' | 'TEXT' | 'MIME' | null {
  switch (kind) {
    case 'all':
      return null
    case 'text':
      return 'TEXT'
    case 'mime':
      return 'MIME'
    case 'header':
    case 'fields':
    case 'fields-not':
      return 'HEADER'
    default:
      return kind satisfies never
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
