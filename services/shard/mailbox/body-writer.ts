/**
 * Brings the bytes of a letter into body records. Up to 1 MiB: one record that is written together with the facts. Larger:
 * every full MiB goes into the log as it comes, so that neither memory nor other letters wait for it; the last chunk carries
 * size and hash and is written with the facts. All records but the last hold exactly 1 MiB: `message-bytes.ts` counts on it.
 */
import { createHash, type Hash } from 'node:crypto'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { type NewRecord, RECORD_BODY_BYTES_MAX } from '../log/types.ts'
import { BODY_META, encodeBodyEnd } from '../records/codec.ts'
import { type BodyReference, RecordType } from '../records/types.ts'
import type { StoreCore } from './store-core.ts'

export const BODY_CHUNK_BYTES = RECORD_BODY_BYTES_MAX

export class BodyWriter {
  readonly #core: StoreCore
  readonly #lsns: Lsn[] = []
  #pieces: Uint8Array[] = []
  #piecesBytes = 0
  #sizeBytes = 0
  #hash: Hash | null = null
  #bytesInFlight = 0
  #failure: StoreError | null = null
  #room: (() => void)[] = []
  #reference: BodyReference | null = null

  constructor(core: StoreCore) {
    this.#core = core
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /**
   * @param piece Not copied: do not reuse the buffer.
   * @returns A promise to wait for when the disk is behind. @throws {StoreError} STORE_BODY_TOO_LARGE, STORE_UNAVAILABLE
   */
  write(piece: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== null) throw this.#failure
    const { bodyBytesMax, streamBytesInFlightMax } = this.#core.limits
    if (this.#sizeBytes + piece.byteLength > bodyBytesMax) {
      throw new StoreError('STORE_BODY_TOO_LARGE', `Cannot store a letter of more than ${bodyBytesMax} bytes`)
    }
    if (piece.byteLength === 0) return undefined
    this.#pieces.push(piece)
    this.#piecesBytes += piece.byteLength
    this.#sizeBytes += piece.byteLength
    while (this.#piecesBytes > BODY_CHUNK_BYTES) this.#appendChunk()
    if (this.#bytesInFlight < streamBytesInFlightMax) return undefined
    return new Promise((resolve) => this.#room.push(resolve))
  }

  /**
   * The rest of the body for the first facts that refer to it: records to append just before them, and the reference. Later
   * calls give the reference alone. Nothing may be appended between this call and the append.
   * @param ahead Records that are appended before these in the same step.
   */
  attach(ahead = 0): { readonly records: readonly NewRecord[]; readonly reference: BodyReference } {
    if (this.#failure !== null) throw this.#failure
    if (this.#reference !== null) return { records: [], reference: this.#reference }
    const last: NewRecord = {
      type: this.#hash === null ? RecordType.body : RecordType.bodyEnd,
      meta: this.#hash === null ? BODY_META : this.#end(this.#hash),
      body: this.#pieces,
    }
    this.#reference = { lsns: [...this.#lsns, toLsn(this.#core.pipeline.nextLsn + ahead)], sizeBytes: this.#sizeBytes }
    return { records: [last], reference: this.#reference }
  }

  /** What `attach` gave could not be appended: the letter cannot be referred to any more. */
  lost(error: StoreError): void {
    this.#failure ??= error
  }

  #end(hash: Hash): Uint8Array {
    for (const piece of this.#pieces) hash.update(piece)
    return encodeBodyEnd({ sizeBytes: this.#sizeBytes, sha256: hash.digest() })
  }

  #appendChunk(): void {
    this.#hash ??= createHash('sha256')
    const body = this.#cut(BODY_CHUNK_BYTES)
    for (const piece of body) this.#hash.update(piece)
    const type = this.#lsns.length === 0 ? RecordType.body : RecordType.bodyChunk
    const lsn = this.#core.pipeline.nextLsn
    try {
      this.#core.check()
      this.#core.pipeline.append([{ type, meta: BODY_META, body }], [], (error) => this.#chunkSettled(error))
    } catch (error) {
      // The letter has a hole now.
      if (error instanceof StoreError) this.lost(error)
      throw error
    }
    this.#bytesInFlight += BODY_CHUNK_BYTES
    this.#lsns.push(lsn)
  }

  #chunkSettled(error: StoreError | null): void {
    this.#bytesInFlight -= BODY_CHUNK_BYTES
    this.#failure ??= error
    const waiting = this.#room
    this.#room = []
    for (const resolve of waiting) resolve()
  }

  /** Takes exactly `length` bytes off the front of the pieces, without copying them. */
  #cut(length: number): Uint8Array[] {
    const cut: Uint8Array[] = []
    let missing = length
    let used = 0
    while (missing > 0) {
      const piece = this.#pieces[used]
      if (piece === undefined) break
      if (piece.byteLength <= missing) {
        cut.push(piece)
        used++
        missing -= piece.byteLength
      } else {
        cut.push(piece.subarray(0, missing))
        this.#pieces[used] = piece.subarray(missing)
        missing = 0
      }
    }
    this.#pieces = this.#pieces.slice(used)
    this.#piecesBytes -= length
    return cut
  }
}
