/**
 * Undoes content transfer encodings (RFC 2045 section 6) of bodies that come in pieces. Tolerant: what does not belong to the
 * encoding is skipped (base64) or kept as it is (quoted-printable). Holds a line at most.
 */
import { QUOTED_PRINTABLE_LINE_BYTES_MAX } from './limits.ts'

export interface TransferDecoder {
  /** The decoded bytes that `chunk` makes known; may be a view of it. */
  push(chunk: Uint8Array): Buffer
  finish(): Buffer
}

/** @param encoding As in `MimePart.encoding`; anything but base64 and quoted-printable leaves the bytes as they are. */
export function transferDecoder(encoding: string): TransferDecoder {
  switch (encoding.toLowerCase()) {
    case 'base64':
      return new Base64Decoder()
    case 'quoted-printable':
      return new QuotedPrintableDecoder()
    default:
      return IDENTITY
  }
}

const NOTHING: Buffer = Buffer.alloc(0)
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const EQUALS = 0x3d

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const IDENTITY: TransferDecoder = { push: view, finish: () => NOTHING }

class Base64Decoder implements TransferDecoder {
  /** Fewer than four characters, without padding. */
  #held = ''

  push(chunk: Uint8Array): Buffer {
    const text =
      this.#held +
      view(chunk)
        .toString('latin1')
        .replace(/[^A-Za-z0-9+/=]+/g, '')
    if (!text.includes('=')) return this.#decode(text)
    // padding may be followed by more: some senders join encoded pieces
    const pieces = text.split(/=+/)
    const last = pieces.pop() ?? ''
    const decoded: Buffer[] = pieces.map((piece) => Buffer.from(piece, 'base64'))
    decoded.push(this.#decode(last))
    return Buffer.concat(decoded)
  }

  finish(): Buffer {
    const rest = Buffer.from(this.#held, 'base64')
    this.#held = ''
    return rest
  }

  #decode(text: string): Buffer {
    const whole = text.length - (text.length % 4)
    this.#held = text.slice(whole)
    return Buffer.from(text.slice(0, whole), 'base64')
  }
}

class QuotedPrintableDecoder implements TransferDecoder {
  #held: Buffer = NOTHING

  push(chunk: Uint8Array): Buffer {
    const input = this.#held.length === 0 ? view(chunk) : Buffer.concat([this.#held, chunk])
    const output = Buffer.allocUnsafe(input.length)
    let length = 0
    let at = 0
    for (let lf = input.indexOf(LF); lf >= 0; lf = input.indexOf(LF, at)) {
      length = decodeLine(input, at, lf + 1, output, length)
      at = lf + 1
    }
    if (input.length - at > QUOTED_PRINTABLE_LINE_BYTES_MAX) {
      const safe = input.indexOf(EQUALS, input.length - 2)
      const end = safe < 0 ? input.length : safe
      length = decodeRun(input, at, end, output, length)
      at = end
    }
    this.#held = Buffer.from(input.subarray(at))
    return output.subarray(0, length)
  }

  finish(): Buffer {
    const output = Buffer.allocUnsafe(this.#held.length)
    const length = decodeLine(this.#held, 0, this.#held.length, output, 0)
    this.#held = NOTHING
    return output.subarray(0, length)
  }
}

/** One line with its line end: white space before it is no content, a final `=` takes it away (RFC 2045 section 6.7). */
function decodeLine(input: Buffer, start: number, next: number, output: Buffer, written: number): number {
  let end = next
  if (end > start && input[end - 1] === LF) end--
  if (end > start && end < next && input[end - 1] === CR) end--
  const lineEnd = end
  while (end > start && (input[end - 1] === SPACE || input[end - 1] === TAB)) end--
  if (end > start && input[end - 1] === EQUALS) return decodeRun(input, start, end - 1, output, written)
  let length = start < end ? decodeRun(input, start, end, output, written) : written
  for (let at = lineEnd; at < next; at++) output[length++] = input[at] ?? 0
  return length
}

/** Undoes the escapes between `start` and `end`; what is no escape stays. */
function decodeRun(input: Buffer, start: number, end: number, output: Buffer, written: number): number {
  const run = input.subarray(start, end)
  let length = written
  let from = 0
  for (let at = run.indexOf(EQUALS); at >= 0; at = run.indexOf(EQUALS, from)) {
    length += run.copy(output, length, from, at)
    from = at
    while (run[from] === EQUALS) {
      const byte = hexDigit(run[from + 1]) * 16 + hexDigit(run[from + 2])
      if (Number.isNaN(byte)) break
      output[length++] = byte
      from += 3
    }
    if (run[from] === EQUALS) output[length++] = run[from++] ?? 0
  }
  return from < run.length ? length + run.copy(output, length, from) : length
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return Number.NaN
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : Number.NaN
}
