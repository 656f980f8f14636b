/** Puts the frames of one batch or fetched record together again, within bounds. */
import { PeerError } from './errors.ts'
import { BATCH_BYTES_MAX_RECEIVED } from './limits.ts'
import type { PeerMessage } from './messages.ts'

type Head = Extract<PeerMessage, { kind: 'batch' | 'fetched' }>

export interface Assembled {
  readonly head: Head
  readonly chunks: readonly Uint8Array[]
}

export class Assembler {
  #head: Head | null = null
  #chunks: Uint8Array[] = []
  #missing = 0

  /** Whether a batch was begun and not ended: then only `more` may come. */
  get open(): boolean {
    return this.#head !== null
  }

  /** @returns What is whole now, or null. Pieces are kept, not copied. @throws {PeerError} */
  take(message: Extract<PeerMessage, { kind: 'batch' | 'fetched' | 'more' }>): Assembled | null {
    if (message.kind === 'more') {
      if (this.#head === null) throw new PeerError('PEER_UNEXPECTED', 'Cannot take a piece: nothing was begun')
      if (message.epoch !== this.#head.epoch) throw new PeerError('PEER_STALE', 'Cannot take a piece of another epoch')
    } else {
      if (this.#head !== null) throw new PeerError('PEER_UNEXPECTED', 'Cannot begin a batch: the last one is not whole')
      if (message.byteCount > BATCH_BYTES_MAX_RECEIVED) {
        throw new PeerError('PEER_TOO_MUCH', `Cannot take a batch of ${message.byteCount} bytes`)
      }
      this.#head = message
      this.#missing = message.byteCount
    }
    this.#missing -= message.piece.byteLength
    if (this.#missing < 0) throw new PeerError('PEER_MALFORMED', 'Cannot take more bytes than were announced')
    if (message.piece.byteLength > 0) this.#chunks.push(message.piece)
    const head = this.#head
    if (head === null || this.#missing > 0) return null
    const assembled = { head: { ...head, piece: EMPTY }, chunks: this.#chunks }
    this.#head = null
    this.#chunks = []
    return assembled
  }
}

const EMPTY = Buffer.alloc(0)
