/**
 * Writes the project's binary encodings: log records and frames. Big-endian; lengths and counts are varints (7 bits a byte,
 * low group first). No value is ever cut: what does not fit is an assertion.
 */
import { assert } from '#lib/errors/assert.ts'

export class ByteWriter {
  #buffer: Buffer
  #length = 0

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    this.#reserve(1)
    this.#length = this.#buffer.writeUInt8(value, this.#length)
    return this
  }

  u16(value: number): this {
    this.#reserve(2)
    this.#length = this.#buffer.writeUInt16BE(value, this.#length)
    return this
  }

  u32(value: number): this {
    this.#reserve(4)
    this.#length = this.#buffer.writeUInt32BE(value, this.#length)
    return this
  }

  /** A whole number below 2^53 in eight bytes. */
  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `${value} fits in u64 below 2^53`)
    this.#reserve(8)
    this.#length = this.#buffer.writeUInt32BE(Math.floor(value / 0x1_0000_0000), this.#length)
    this.#length = this.#buffer.writeUInt32BE(value % 0x1_0000_0000, this.#length)
    return this
  }

  /** A whole number below 2^53 in one to eight bytes. */
  varint(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `${value} fits in a varint below 2^53`)
    this.#reserve(8)
    let rest = value
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#length++] = rest
    return this
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0)
  }

  /** Length as a varint, then UTF-8. */
  string(value: string): this {
    const length = Buffer.byteLength(value)
    this.varint(length)
    this.#reserve(length)
    this.#buffer.write(value, this.#length, 'utf8')
    this.#length += length
    return this
  }

  /** Length as a varint, then the bytes. */
  bytes(value: Uint8Array): this {
    return this.varint(value.byteLength).raw(value)
  }

  /** The bytes alone; the reader must know how many. */
  raw(value: Uint8Array): this {
    this.#reserve(value.byteLength)
    this.#buffer.set(value, this.#length)
    this.#length += value.byteLength
    return this
  }

  list<T>(values: readonly T[], write: (value: T) => void): this {
    this.varint(values.length)
    for (const value of values) write(value)
    return this
  }

  /** A flag byte, then the value if there is one. */
  optional<T>(value: T | null | undefined, write: (value: T) => void): this {
    if (value === null || value === undefined) return this.u8(0)
    this.u8(1)
    write(value)
    return this
  }

  /** What was written, without copying: the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }
}
