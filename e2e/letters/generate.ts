/**
 * Building blocks of test letters, and the chance they draw from. Everything here is a pure function of its arguments and
 * of a seed: the same seed gives the same bytes on every machine, so nothing binary is kept in the repository.
 * All text goes in and out as bytes with CRLF line ends; `letters.ts` proves that no letter holds NUL, bare CR or bare LF.
 */
import { createHash } from 'node:crypto'

/** A small generator (xorshift32): good enough to make bytes that do not compress and choices that vary. */
export class Chance {
  #state: number

  constructor(seed: string) {
    this.#state = createHash('sha256').update(seed).digest().readUInt32LE(0) || 1
  }

  u32(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state
  }

  below(limit: number): number {
    return this.u32() % limit
  }

  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0]
  }

  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4))
    for (let i = 0; i < words.length; i++) words[i] = this.u32()
    return Buffer.from(words.buffer, 0, length)
  }
}

export type Piece = string | Buffer

/** Strings as UTF-8, buffers as they are, one after another. */
export function join(...pieces: readonly Piece[]): Buffer {
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)))
}

/** Each piece with CRLF behind it. */
export function lines(...pieces: readonly Piece[]): Buffer {
  return join(...pieces.flatMap((piece) => [piece, '\r\n']))
}

/** The header most letters share, each with its own Message-ID; `more` lines go before the empty line that ends it. */
export function letter(name: string, more: readonly Piece[], body: Piece): Buffer {
  return join(
    lines(
      'From: Anna Beispiel <anna@example.test>',
      'To: Boris <boris@example.test>',
      `Subject: ${name}`,
      'Date: Mon, 17 Nov 2025 09:30:00 +0100',
      `Message-ID: <${name}@letters.example.test>`,
      ...more,
      '',
    ),
    body,
  )
}

export interface Part {
  readonly header: readonly Piece[]
  /** Without the CRLF that belongs to the boundary after it (RFC 2046 section 5.1.1). */
  readonly body: Piece
}

/** A multipart body: preamble, parts, closing boundary, epilogue. */
export function multipart(boundary: string, parts: readonly Part[], preamble = '', epilogue = ''): Buffer {
  const bodies = parts.map((part) => join(`--${boundary}\r\n`, lines(...part.header, ''), part.body, '\r\n'))
  return join(preamble, ...bodies, `--${boundary}--\r\n`, epilogue)
}

export function textPart(text: Piece, charset = 'us-ascii'): Part {
  return { header: [`Content-Type: text/plain; charset=${charset}`], body: text }
}

/** Base64 in lines of `width`, each ended by CRLF (RFC 2045 section 6.8 allows up to 76). */
export function base64Lines(bytes: Buffer, width = 76): Buffer {
  const text = bytes.toString('base64')
  const whole = Buffer.allocUnsafe(text.length + 2 * Math.ceil(text.length / width))
  let length = 0
  for (let at = 0; at < text.length; at += width)
    length += whole.write(`${text.slice(at, at + width)}\r\n`, length, 'latin1')
  return whole.subarray(0, length)
}

/** Quoted-printable (RFC 2045 section 6.7) with soft breaks so that no line is longer than 76. */
export function quotedPrintable(bytes: Buffer): Buffer {
  const out: string[] = []
  let line = ''
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x3d
    const next = plain ? String.fromCharCode(byte) : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
    if (line.length + next.length > 75) {
      out.push(`${line}=`)
      line = ''
    }
    line += next
  }
  return lines(...out, line)
}

/** RFC 2047 encoded word in B form. */
export function encodedWord(bytes: Buffer, charset: string): string {
  return `=?${charset}?B?${bytes.toString('base64')}?=`
}

const WORDS = [
  'letter',
  'meeting',
  'on',
  'Thursday',
  'the',
  'report',
  'is',
  'late',
  'please',
  'reply',
  'soon',
  'ok',
] as const

/** About `size` bytes of prose in lines of at most 72, with CRLF. */
export function prose(chance: Chance, size: number): Buffer {
  const made: string[] = []
  let line = ''
  for (let length = 0; length < size; ) {
    const word = chance.pick(WORDS)
    if (line.length + word.length > 70) {
      made.push(line)
      length += line.length + 2
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return lines(...made, line)
}

/** Exactly `size` bytes of body in lines of `width` and CRLF, the last one shorter: for letters at the edge of a limit. */
export function exactly(size: number, width = 76): Buffer {
  const line = Buffer.from(`${'x'.repeat(width)}\r\n`)
  const body = Buffer.alloc(size, line)
  const rest = size % line.length
  // A cut line must still end with CRLF: two bytes more than none, one byte joins the line before.
  if (rest === 1) body.write('x\r\n', size - 3, 'latin1')
  else if (rest > 0) body.write('\r\n', size - 2, 'latin1')
  return body
}
