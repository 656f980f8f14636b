/**
 * The seven-bit East Asian charsets, which shift between ASCII and characters of two bytes: ISO-2022-JP, ISO-2022-KR, HZ.
 * Each run between two shifts is given to the eight-bit charset that has the same characters.
 */
import iconv from 'iconv-lite'

/** What the bytes between two shifts are: ASCII, pairs of a set, single half-width kana, pairs of the supplementary set. */
type ShiftState = 'ascii' | 'pairs' | 'kana' | 'supplement'

type Escape = { readonly state: ShiftState } | { readonly text: string }

export interface Shifts {
  /** The eight-bit charset that holds the same characters, with the high bits set. */
  readonly charset: string
  /** What each escape leads to: a state, or text that it stands for. */
  readonly escapes: ReadonlyMap<string, Escape>
  readonly pattern: RegExp
  /** The beginning of an escape at the end of a piece: it waits for the next. */
  readonly lead: RegExp
}

const PAIRS: Escape = { state: 'pairs' }
const ASCII: Escape = { state: 'ascii' }

/** RFC 1468, with the half-width kana and the supplementary set that some senders use. */
const ISO_2022_JP: Shifts = {
  charset: 'euc-jp',
  escapes: new Map<string, Escape>([
    ['\x1b$B', PAIRS],
    ['\x1b$@', PAIRS],
    ['\x1b(B', ASCII],
    ['\x1b(J', ASCII],
    ['\x1b(I', { state: 'kana' }],
    ['\x1b$(D', { state: 'supplement' }],
  ]),
  pattern: /\x1b(?:\$[B@]|\([BJI]|\$\(D)/g,
  lead: /\x1b(?:\$\(?|\()?$/,
}
/** RFC 1557: ESC $ ) C announces, SO and SI shift. */
const ISO_2022_KR: Shifts = {
  charset: 'cp949',
  escapes: new Map<string, Escape>([
    ['\x1b$)C', { text: '' }],
    ['\x0e', PAIRS],
    ['\x0f', ASCII],
  ]),
  pattern: /\x1b\$\)C|\x0e|\x0f/g,
  lead: /\x1b(?:\$\)?)?$/,
}
/** RFC 1843: a tilde escapes; before a line end it takes it away. */
const HZ: Shifts = {
  charset: 'gb18030',
  escapes: new Map<string, Escape>([
    ['~{', PAIRS],
    ['~}', ASCII],
    ['~~', { text: '~' }],
    ['~\n', { text: '' }],
  ]),
  pattern: /~[{}~\n]/g,
  lead: /~$/,
}

/** The shifts of a charset by its name in lower case; null if it has none. */
export function shiftsOf(name: string): Shifts | null {
  if (name.startsWith('iso-2022-jp')) return ISO_2022_JP
  if (name.startsWith('iso-2022-kr')) return ISO_2022_KR
  return name === 'hz-gb-2312' || name === 'hz' ? HZ : null
}

/** Decodes a text that comes in pieces, as the other decoders of charset.ts do. Holds a few bytes at most. */
export class ShiftDecoder {
  readonly #shifts: Shifts
  #held = ''
  #state: ShiftState = 'ascii'

  constructor(shifts: Shifts) {
    this.#shifts = shifts
  }

  push(bytes: Uint8Array): string {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    return this.#decode(this.#held + text, false)
  }

  finish(): string {
    return this.#decode(this.#held, true)
  }

  #decode(text: string, last: boolean): string {
    let decoded = ''
    let from = 0
    for (const match of text.matchAll(this.#shifts.pattern)) {
      decoded += this.#run(text.slice(from, match.index))
      const meaning = this.#shifts.escapes.get(match[0])
      if (meaning !== undefined && 'state' in meaning) this.#state = meaning.state
      else decoded += meaning?.text ?? ''
      from = match.index + match[0].length
    }
    const tail = text.slice(from)
    const whole = last ? tail.length : this.#wholeLength(tail)
    this.#held = tail.slice(whole)
    return decoded + this.#run(tail.slice(0, whole))
  }

  /** How much of `tail` can be decoded before more comes: not the beginning of an escape or of a pair. */
  #wholeLength(tail: string): number {
    const length = this.#shifts.lead.exec(tail)?.index ?? tail.length
    if (this.#state === 'ascii' || this.#state === 'kana') return length
    const run = length - 1 - tail.slice(0, length).search(LAST_CONTROL)
    return run % 2 === 0 ? length : length - 1
  }

  #run(text: string): string {
    if (this.#state === 'ascii') return text
    const size = this.#state === 'kana' ? 1 : 2
    return text.replace(/[^\x00-\x20]+/g, (units) => this.#units(units, size))
  }

  /** Characters of `size` bytes each. */
  #units(text: string, size: number): string {
    const whole = this.#highBytes(text, size)
    // one unit at a time where some are bad: else the codec would find its place again in the middle of one
    if (text.length % size === 0 && whole.length === text.length / size && !whole.includes('\ufffd')) return whole
    let decoded = ''
    for (let at = 0; at < text.length; at += size) {
      const one = this.#highBytes(text.slice(at, at + size), size)
      decoded += one.length === 1 && at + size <= text.length ? one : '\ufffd'
    }
    return decoded
  }

  #highBytes(text: string, size: number): string {
    const bytes: number[] = []
    for (let at = 0; at < text.length; at++) {
      if (this.#state === 'kana')
        bytes.push(0x8e) // the shifts of EUC
      else if (this.#state === 'supplement' && at % size === 0) bytes.push(0x8f)
      bytes.push(text.charCodeAt(at) | 0x80)
    }
    return iconv.decode(Buffer.from(bytes), this.#shifts.charset)
  }
}

/** Finds the last byte that belongs to no pair; `search` gives -1 if there is none. */
const LAST_CONTROL = /[\x00-\x20][^\x00-\x20]*$/
