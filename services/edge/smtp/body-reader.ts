/**
 * Reads the body of one letter from smtp-server's data stream, once. Small letters are gathered whole; when a letter grows
 * beyond the buffer, or the process's budget is spent, the reader stops reading the socket and gives the rest piece by
 * piece, as fast as it is asked.
 * Whatever is wrong with a letter, it is read to its end: only there may a reply be given (RFC 5321 section 4.1.1.4), and an
 * earlier end would make the rest of the letter commands.
 */
import type { Readable } from 'node:stream'
import { LineEndChecker, type LineEndFault, LineEndNormaliser } from '#lib/letter/mod.ts'
import type { BodyBudget } from './body-budget.ts'

export type BodyVerdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'fault'; readonly fault: LineEndFault }
  | { readonly kind: 'too-large' }
  /** The client went away in the middle. */
  | { readonly kind: 'gone' }

export interface BodyRules {
  readonly bytesMax: number
  /** Letters up to here are gathered whole. */
  readonly bufferBytesMax: number
  /** Refuse wrong line ends, or repair them. */
  readonly lineEnds: 'check' | 'normalise'
}

const GOOD: BodyVerdict = { kind: 'good' }

export class BodyReader {
  readonly #stream: Readable
  readonly #rules: BodyRules
  readonly #budget: BodyBudget
  readonly #checker: LineEndChecker | null
  readonly #normaliser: LineEndNormaliser | null
  #pieces: Buffer[] = []
  #bytes = 0
  #reserved = 0
  #gathering = true
  #verdict: BodyVerdict = GOOD
  #ended = false
  #wake: (() => void) | null = null

  constructor(stream: Readable, rules: BodyRules, budget: BodyBudget) {
    this.#stream = stream
    this.#rules = rules
    this.#budget = budget
    this.#checker = rules.lineEnds === 'check' ? new LineEndChecker() : null
    this.#normaliser = rules.lineEnds === 'normalise' ? new LineEndNormaliser() : null
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.on('end', () => this.#end())
    stream.on('error', () => this.#gone())
    stream.on('close', () => this.#gone())
  }

  /** Bytes of the letter so far, after repair of line ends. */
  get bytes(): number {
    return this.#bytes
  }

  /** Final when the end was read. */
  get verdict(): BodyVerdict {
    return this.#verdict
  }

  /**
   * Resolves when the whole letter is there, or as much of it as is gathered at once. `pieces` is empty for a letter that
   * cannot be taken. They stay counted in the budget until `release()`.
   */
  async first(): Promise<{ readonly pieces: Buffer[]; readonly complete: boolean }> {
    while (!this.#ended && this.#gathering) await this.#progress()
    const pieces = this.#pieces
    this.#pieces = []
    return { pieces, complete: this.#ended }
  }

  /** After an incomplete `first()`: the next pieces, or null when the end was read. */
  async next(): Promise<Buffer[] | null> {
    while (!this.#ended && this.#pieces.length === 0) {
      this.#stream.resume()
      await this.#progress()
    }
    if (this.#pieces.length === 0) return null
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  /** Reads and drops what is left. */
  async skip(): Promise<void> {
    while ((await this.next()) !== null) {
      // dropped
    }
  }

  /** The gathered pieces are no longer used. */
  release(): void {
    this.#budget.give(this.#reserved)
    this.#reserved = 0
  }

  #take(chunk: Buffer): void {
    if (this.#verdict.kind !== 'good') return
    this.#checker?.push(chunk)
    if (this.#normaliser) for (const piece of this.#normaliser.push(chunk)) this.#keep(piece)
    else this.#keep(chunk)
    const fault = this.#checker?.fault ?? null
    if (fault !== null) this.#spoil({ kind: 'fault', fault })
    else if (this.#bytes > this.#rules.bytesMax) this.#spoil({ kind: 'too-large' })
    else if (!this.#gathering) {
      this.#stream.pause()
      this.#notify()
    }
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length
    this.#pieces.push(piece)
    if (!this.#gathering) return
    if (this.#bytes <= this.#rules.bufferBytesMax && this.#budget.take(piece.length)) this.#reserved += piece.length
    else this.#gathering = false
  }

  /** Nothing of this letter will be used: forget it and read on to its end. */
  #spoil(verdict: BodyVerdict): void {
    this.#verdict = verdict
    this.#pieces = []
    this.release()
    this.#stream.resume()
  }

  #end(): void {
    if (this.#ended) return
    if (this.#verdict.kind === 'good') {
      if (this.#normaliser) for (const piece of this.#normaliser.end()) this.#keep(piece)
      const fault = this.#checker?.end() ?? null
      if (fault !== null) this.#spoil({ kind: 'fault', fault })
    }
    this.#ended = true
    this.#notify()
  }

  #gone(): void {
    if (this.#ended) return
    this.#spoil({ kind: 'gone' })
    this.#ended = true
    this.#notify()
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}
