/**
 * Packets of the milter protocol: four bytes of length, a letter, data. The length counts the letter.
 * Invariant: what a peer announces is bounded before anything of it is kept.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import { PACKET_BYTES_MAX } from './protocol.ts'

export const MILTER_ERRORS = {
  MILTER_MALFORMED: {
    retry: false,
    meaning: 'The other end of a milter connection sent bytes that are not a packet of the protocol.',
  },
  MILTER_OUT_OF_STEP: {
    retry: false,
    meaning: 'The other end of a milter connection sent a packet where the protocol has no place for it.',
  },
  MILTER_NOT_AGREED: {
    retry: false,
    meaning: 'The other end of a milter connection asked for, or did, what was not agreed at its beginning.',
  },
  MILTER_TOO_MUCH: {
    retry: false,
    meaning: 'The other end of a milter connection sent more than is kept of one message.',
  },
} as const satisfies Record<string, ErrorSpec>

export class MilterError extends CodedError<keyof typeof MILTER_ERRORS> {
  override readonly name = 'MilterError'
}

export interface Packet {
  /** Of the command or reply. */
  readonly letter: string
  /** A view into what arrived if the packet came in one chunk. */
  readonly data: Buffer
}

const HEAD_BYTES = 5

export function packet(letter: string, ...parts: readonly (Buffer | string)[]): Buffer {
  let bytes = 1
  for (const part of parts) bytes += part.length
  const out = Buffer.allocUnsafe(4 + bytes)
  out.writeUInt32BE(bytes, 0)
  out.write(letter, 4, 'latin1')
  let at = HEAD_BYTES
  for (const part of parts) {
    if (typeof part === 'string') out.write(part, at, 'latin1')
    else part.copy(out, at)
    at += part.length
  }
  return out
}

/** Cuts a stream into packets. */
export class PacketReader {
  #chunks: Buffer[] = []
  #bytes = 0

  get pendingBytes(): number {
    return this.#bytes
  }

  /** Takes ownership of `chunk`. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  /** @returns null: the next packet has not come whole. @throws {MilterError} MILTER_MALFORMED: no packet is that long. */
  next(): Packet | null {
    if (this.#bytes < HEAD_BYTES) return null
    const length = this.#peek(HEAD_BYTES).readUInt32BE(0)
    if (length === 0 || length > PACKET_BYTES_MAX) {
      throw new MilterError(
        'MILTER_MALFORMED',
        `Cannot take a packet of ${length} bytes: 1 to ${PACKET_BYTES_MAX} are possible`,
      )
    }
    if (this.#bytes < 4 + length) return null
    const whole = this.#peek(4 + length)
    this.#skip(4 + length)
    return { letter: String.fromCharCode(whole.readUInt8(4)), data: whole.subarray(HEAD_BYTES, 4 + length) }
  }

  /** At least `count` bytes, which have come, in one piece. */
  #peek(count: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= count) return first
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }

  #skip(count: number): void {
    const [first, ...rest] = this.#chunks
    this.#bytes -= count
    if (first === undefined) return
    this.#chunks = first.length === count ? rest : [first.subarray(count), ...rest]
  }
}

/** Strings that end with NUL, as commands and replies carry them. Text is bytes: one character each (latin1). */
export class TextReader {
  readonly #data: Buffer
  #at = 0

  constructor(data: Buffer) {
    this.#data = data
  }

  get atEnd(): boolean {
    return this.#at === this.#data.length
  }

  /** @throws {MilterError} MILTER_MALFORMED: no NUL follows. */
  text(): string {
    const end = this.#data.indexOf(0, this.#at)
    if (end === -1)
      throw new MilterError('MILTER_MALFORMED', 'Cannot read a text of a packet: it does not end with NUL')
    const text = this.#data.toString('latin1', this.#at, end)
    this.#at = end + 1
    return text
  }

  u16(): number {
    return this.#data.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#data.readUInt32BE(this.#take(4))
  }

  character(): string {
    return String.fromCharCode(this.#data.readUInt8(this.#take(1)))
  }

  /** All texts that are left. */
  texts(): string[] {
    const texts: string[] = []
    while (!this.atEnd) texts.push(this.text())
    return texts
  }

  #take(count: number): number {
    const at = this.#at
    if (at + count > this.#data.length) {
      throw new MilterError(
        'MILTER_MALFORMED',
        `Cannot read ${count} bytes of a packet: ${this.#data.length - at} are left`,
      )
    }
    this.#at = at + count
    return at
  }
}

/** Texts, each with its NUL. A NUL inside would end it early for the other end and is left out. */
export function texts(...values: readonly string[]): string {
  return values.map((value) => `${value.replaceAll('\0', '')}\0`).join('')
}

export function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value, 0)
  return bytes
}

export function u16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeUInt16BE(value, 0)
  return bytes
}
