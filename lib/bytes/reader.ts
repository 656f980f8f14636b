/** Reads what `writer.ts` wrote. Every read is checked against the end: malformed input gives an error, never garbage. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const BYTES_ERRORS = {
  BYTES_MALFORMED: { retry: false, meaning: 'Bytes of a frame or a record do not have the form of their layout.' },
} as const satisfies Record<string, ErrorSpec>

export class BytesError extends CodedError<keyof typeof BYTES_ERRORS> {
  override readonly name = 'BytesError'
}

export class ByteReader {
  readonly #buffer: Buffer
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get position(): number {
    return this.#position
  }

  get remaining(): number {
    return this.#buffer.length - this.#position
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.#buffer.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#take(4))
  }

  /** @throws {BytesError} for 2^53 and more. */
  u64(): number {
    const at = this.#take(8)
    const value = this.#buffer.readUInt32BE(at) * 0x1_0000_0000 + this.#buffer.readUInt32BE(at + 4)
    if (!Number.isSafeInteger(value)) throw new BytesError('BYTES_MALFORMED', 'Cannot read a number of 2^53 or more')
    return value
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
      if (scale > 0x2_0000_0000_0000)
        throw new BytesError('BYTES_MALFORMED', 'Cannot read a varint of more than 8 bytes')
    }
    if (!Number.isSafeInteger(value)) throw new BytesError('BYTES_MALFORMED', 'Cannot read a number of 2^53 or more')
    return value
  }

  bool(): boolean {
    return this.u8() !== 0
  }

  string(): string {
    const length = this.varint()
    const at = this.#take(length)
    return this.#buffer.toString('utf8', at, at + length)
  }

  /** A view into the input, not a copy. */
  bytes(): Buffer {
    return this.raw(this.varint())
  }

  /** A view into the input, not a copy. */
  raw(length: number): Buffer {
    const at = this.#take(length)
    return this.#buffer.subarray(at, at + length)
  }

  list<T>(read: () => T): T[] {
    const count = this.varint()
    if (count > this.remaining)
      throw new BytesError('BYTES_MALFORMED', `Cannot read a list of ${count}: input is too short`)
    const values: T[] = []
    for (let i = 0; i < count; i++) values.push(read())
    return values
  }

  optional<T>(read: () => T): T | null {
    return this.bool() ? read() : null
  }

  /** @throws {BytesError} if something is left. */
  end(): void {
    if (this.remaining > 0) throw new BytesError('BYTES_MALFORMED', `Cannot use ${this.remaining} bytes after the end`)
  }

  #take(length: number): number {
    const at = this.#position
    if (length > this.#buffer.length - at) {
      throw new BytesError('BYTES_MALFORMED', `Cannot read ${length} bytes: ${this.#buffer.length - at} are left`)
    }
    this.#position = at + length
    return at
  }
}
