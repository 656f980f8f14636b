/**
 * Bodies that were read lately, whole records at a time: who lists, searches or reads a mailbox comes back to the same letters,
 * and a read from the log costs a turn through the thread pool even where the page cache has the bytes.
 *
 * Invariants: what is kept was proved when it was read; a record never changes under its LSN as long as a store lives (a term of
 * office), so nothing is ever invalidated; no more than `bytesMax` is kept, least recently used first out.
 */
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import type { Lsn } from '#lib/mail/types.ts'
import type { ShardLog } from '../log/types.ts'

/** Larger records are read in the pieces that are asked for: few letters, and they would push out hundreds of others. */
const KEPT_RECORD_BYTES_MAX = 128 * 1024

export class BodyCache {
  readonly #log: Pick<ShardLog, 'readBody'>
  readonly #kept: WeightedLru<Lsn, Uint8Array>

  constructor(log: Pick<ShardLog, 'readBody'>, bytesMax: number) {
    this.#log = log
    this.#kept = new WeightedLru(bytesMax)
  }

  get bytes(): number {
    return this.#kept.weight
  }

  /**
   * @param recordBytes Length of the body in record `lsn`. @returns At once if the record is kept. Not to be changed.
   * @throws {LogError} LOG_NO_SUCH_RECORD, LOG_ROTTEN_RECORD
   */
  read(lsn: Lsn, recordBytes: number, offset: number, length: number): Uint8Array | Promise<Uint8Array> {
    const kept = this.#kept.get(lsn)
    if (kept !== undefined) return kept.subarray(offset, offset + length)
    if (recordBytes > KEPT_RECORD_BYTES_MAX) return this.#log.readBody(lsn, offset, length)
    return this.#fill(lsn, recordBytes, offset, length)
  }

  async #fill(lsn: Lsn, recordBytes: number, offset: number, length: number): Promise<Uint8Array> {
    const read = await this.#log.readBody(lsn, 0, recordBytes)
    // A view of a larger buffer would keep all of it.
    const body = read.buffer.byteLength > 2 * read.byteLength ? Uint8Array.from(read) : read
    this.#kept.set(lsn, body, body.byteLength)
    return body.subarray(offset, offset + length)
  }
}
