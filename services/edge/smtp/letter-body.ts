/**
 * The body of one letter on its way from the receiver to the shards. Small letters are gathered whole; when a letter grows
 * beyond the buffer, or the process's budget is spent, the body says that it is full and gives the rest piece by piece, as
 * fast as it is asked.
 * Whatever is wrong with a letter, it is taken to its end: only there may a reply be given (RFC 5321 section 4.1.1.4), and an
 * earlier end would make the rest of the letter commands.
 */
import { LineEndChecker, type LineEndFault, LineEndNormaliser } from '#lib/letter/mod.ts'
import type { BodyBudget } from './body-budget.ts'

export type BodyVerdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'fault'; readonly fault: LineEndFault }
  | { readonly kind: 'too-large' }
  /** The client went away in the middle, or took the letter back. */
  | { readonly kind: 'gone' }

export interface BodyRules {
  readonly bytesMax: number
  /** Letters up to here are gathered whole. */
  readonly bufferBytesMax: number
  /** Refuse wrong line ends, or repair them. */
  readonly lineEnds: 'check' | 'normalise'
}

/** What the source of the letter is told. */
export interface BodySource {
  /** Once: the letter is complete, or as much of it is there as is gathered at once. */
  onReady(): void
  /** After `push` was false: there is room again. */
  onRoom(): void
}

const GOOD: BodyVerdict = { kind: 'good' }

export class LetterBody {
  readonly #rules: BodyRules
  readonly #budget: BodyBudget
  readonly #source: BodySource
  readonly #checker: LineEndChecker | null
  readonly #normaliser: LineEndNormaliser | null
  #pieces: Buffer[] = []
  #bytes = 0
  #reserved = 0
  #gathering = true
  /** More has come than is gathered. */
  #overflown = false
  #full = false
  #verdict: BodyVerdict = GOOD
  #ended = false
  #wake: (() => void) | null = null

  constructor(rules: BodyRules, budget: BodyBudget, source: BodySource) {
    this.#rules = rules
    this.#budget = budget
    this.#source = source
    this.#checker = rules.lineEnds === 'check' ? new LineEndChecker() : null
    this.#normaliser = rules.lineEnds === 'normalise' ? new LineEndNormaliser() : null
  }

  /** Bytes of the letter so far, after repair of line ends. */
  get bytes(): number {
    return this.#bytes
  }

  /** Final when the end was read. */
  get verdict(): BodyVerdict {
    return this.#verdict
  }

  /** All of it has arrived, or it will not come. */
  get complete(): boolean {
    return this.#ended
  }

  /** Takes ownership of `piece`. @returns False: give no more until `onRoom`. */
  push(piece: Buffer): boolean {
    if (this.#verdict.kind !== 'good') return true
    this.#checker?.push(piece)
    if (this.#normaliser) for (const one of this.#normaliser.push(piece)) this.#keep(one)
    else this.#keep(piece)
    const fault = this.#checker?.fault ?? null
    if (fault !== null) this.#spoil({ kind: 'fault', fault })
    else if (this.#bytes > this.#rules.bytesMax) this.#spoil({ kind: 'too-large' })
    else if (this.#gathering && this.#overflown) {
      this.#gathering = false
      this.#full = true
      this.#source.onReady()
    } else if (!this.#gathering) {
      this.#full = true
      this.#notify()
    }
    return !this.#full
  }

  /** The letter is complete. */
  end(): void {
    if (this.#ended) return
    if (this.#verdict.kind === 'good') {
      if (this.#normaliser) for (const piece of this.#normaliser.end()) this.#keep(piece)
      const fault = this.#checker?.end() ?? null
      if (fault !== null) this.#spoil({ kind: 'fault', fault })
    }
    this.#finish()
  }

  /** The rest of the letter will not come. */
  abandon(): void {
    if (this.#ended) return
    this.#spoil({ kind: 'gone' })
    this.#finish()
  }

  /** What has been gathered when `onReady` came: all, if `complete`. Empty for a letter that cannot be taken. It stays counted in the budget until `release`. */
  first(): Buffer[] {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  /** After an incomplete `first`: the next pieces, or null when the end was read. */
  async next(): Promise<Buffer[] | null> {
    while (!this.#ended && this.#pieces.length === 0) {
      const progress = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#makeRoom()
      await progress
    }
    return this.#pieces.length === 0 ? null : this.first()
  }

  /** Drops what is left, to the end. */
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

  #keep(piece: Buffer): void {
    this.#bytes += piece.length
    this.#pieces.push(piece)
    if (this.#overflown) return
    if (this.#bytes <= this.#rules.bufferBytesMax && this.#budget.take(piece.length)) this.#reserved += piece.length
    else this.#overflown = true
  }

  /** Nothing of this letter will be used: forget it and take it to its end. */
  #spoil(verdict: BodyVerdict): void {
    this.#verdict = verdict
    this.#pieces = []
    this.release()
    this.#makeRoom()
  }

  #finish(): void {
    this.#ended = true
    if (this.#gathering) {
      this.#gathering = false
      this.#source.onReady()
    } else this.#notify()
  }

  #makeRoom(): void {
    if (!this.#full) return
    this.#full = false
    this.#source.onRoom()
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}
