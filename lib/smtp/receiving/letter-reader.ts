/**
 * Reads the letter of a transaction, from DATA (ends with CRLF.CRLF, dots un-stuffed) or from BDAT chunks (counted bytes), as
 * views into the input. It keeps to the announced length of a chunk also when the chunk is refused: what lies behind it is the next command.
 */
import { DataDecoder } from '#lib/letter/mod.ts'
import type { Reply } from '../reply.ts'
import { PROTOCOL_REPLIES } from '../reply.ts'
import type { Input } from './input.ts'

export type LetterEvent =
  | { readonly kind: 'body'; readonly piece: Buffer }
  /** Nothing is there to read. */
  | { readonly kind: 'wait' }
  /** A chunk that is not the last has been read. */
  | { readonly kind: 'chunk-end'; readonly refusal: Reply | null }
  /** The last chunk has been read, and it or one before was refused. */
  | { readonly kind: 'refused-end'; readonly refusal: Reply }
  | { readonly kind: 'end' }

type Mode =
  | 'none'
  | 'data'
  /** Inside a BDAT chunk. */
  | 'chunk'
  /** Between two BDAT chunks. */
  | 'between'

const WAIT: LetterEvent = { kind: 'wait' }
const END: LetterEvent = { kind: 'end' }

export class LetterReader {
  readonly #input: Input
  #mode: Mode = 'none'
  #decoder: DataDecoder | null = null
  /** Content that was decoded and not given out yet, in order. */
  #pieces: Buffer[] = []
  #dataEnded = false
  /** Of all chunks so far, the present one apart. */
  #chunkedBytes = 0
  #chunkBytes = 0
  #chunkLeft = 0
  #chunkLast = false
  /** What the present chunk is answered. */
  #refusal: Reply | null = null
  #begun = false

  readonly #give = (piece: Buffer) => {
    this.#pieces.push(piece)
  }

  constructor(input: Input) {
    this.#input = input
  }

  /** The input belongs to a letter. */
  get reading(): boolean {
    return this.#mode === 'data' || this.#mode === 'chunk'
  }

  /** The letter is sent by BDAT. */
  get chunked(): boolean {
    return this.#mode === 'chunk' || this.#mode === 'between'
  }

  /** The host has agreed to take the letter, and has not been told that it will not come. */
  get begun(): boolean {
    return this.#begun
  }

  beginData(): void {
    this.#mode = 'data'
    this.#begun = true
    this.#decoder = new DataDecoder()
    this.#dataEnded = false
  }

  /** A BDAT command was read. @returns Bytes of the chunks before. */
  startChunk(bytes: number, last: boolean): number {
    this.#chunkedBytes += this.#chunkBytes
    const failed = this.#mode === 'between' && !this.#begun
    this.#mode = 'chunk'
    this.#chunkBytes = bytes
    this.#chunkLeft = bytes
    this.#chunkLast = last
    this.#refusal = failed ? PROTOCOL_REPLIES.chunkFailed : null
    return this.#chunkedBytes
  }

  /** The present chunk, and with it the letter, cannot be taken. */
  refuse(refusal: Reply): void {
    this.#begun = false
    this.#refusal ??= refusal
  }

  /** The host's answer before the first chunk is read. */
  beginChunks(refusal: Reply | null): void {
    if (refusal === null) this.#begun = true
    else this.refuse(refusal)
  }

  forget(): void {
    this.#mode = 'none'
    this.#begun = false
    this.#decoder = null
    this.#pieces = []
    this.#chunkedBytes = 0
    this.#chunkBytes = 0
  }

  /** Only while `reading`. */
  next(): LetterEvent {
    return this.#mode === 'chunk' ? this.#nextOfChunk() : this.#nextOfData()
  }

  #nextOfData(): LetterEvent {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) return { kind: 'body', piece }
      if (this.#dataEnded) break
      const chunk = this.#input.take()
      if (chunk === null || this.#decoder === null) return WAIT
      const end = this.#decoder.push(chunk, this.#give)
      if (end === -1) continue
      this.#input.giveBack(chunk.subarray(end))
      this.#dataEnded = true
    }
    this.forget()
    return END
  }

  #nextOfChunk(): LetterEvent {
    while (this.#chunkLeft > 0) {
      const piece = this.#input.take(this.#chunkLeft)
      if (piece === null) return WAIT
      this.#chunkLeft -= piece.length
      if (this.#refusal === null) return { kind: 'body', piece }
    }
    const refusal = this.#refusal
    const last = this.#chunkLast
    if (!last) {
      this.#mode = 'between'
      return { kind: 'chunk-end', refusal }
    }
    this.forget()
    return refusal === null ? END : { kind: 'refused-end', refusal }
  }
}
