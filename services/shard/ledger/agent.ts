/**
 * The only one in a process that swaps the ledger of its shard: one swap at a time, and it knows at every moment what the
 * ledger may hold (rules 4 and 13).
 *
 * Invariants: `mayHold` contains the true content as long as the ledger is not lost; an attempt whose outcome is not known stays in
 * it until a read shows a version above the one it was made from, or another swap from that version succeeded; a read that
 * still shows the old version settles nothing. A version below one that was seen is never believed.
 */
import { assert } from '#lib/errors/assert.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import type { ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import { FEATURE_LEVEL } from './feature-level.ts'
import type { Ledger, LedgerEntry, SwapOutcome } from './types.ts'

const NONCE_CHARACTERS = 16

export type LedgerHealth = 'good' | 'away' | 'lost'

/** What one call of `swap` came to. `settled`: a former attempt was decided instead; decide anew. */
export type SwapResult = 'ok' | 'conflict' | 'unknown' | 'settled' | 'away' | 'lost' | 'busy'

/** The fields that a change decides; version, feature level and nonce are the agent's. */
export type Change = Pick<LedgerEntry, 'epoch' | 'primary' | 'inSync' | 'replicas'>

export interface LedgerAgentOptions {
  readonly ledger: Ledger
  readonly shard: ShardName
  readonly clock: Clock
  readonly random: Random
  /** The highest version that this replica's note has seen; 0 for none. */
  readonly seenVersion: number
  /** Bound of one read or swap. */
  readonly swapMs: number
  /** Called after anything changed in what this agent says, also by an answer that came late. */
  readonly onChange: () => void
}

export class LedgerAgent {
  readonly #options: LedgerAgentOptions
  /** The newest content that was certainly in the ledger. */
  #base: LedgerEntry | null = null
  /** Attempts made from `#base`, in order, that may have landed or may land later. */
  #doubts: LedgerEntry[] = []
  #seenVersion: number
  #health: LedgerHealth = 'good'
  #swapping = false
  #reading: Promise<boolean> | null = null
  #readAtMs: number | null = null
  #found: LedgerEntry | null = null

  constructor(options: LedgerAgentOptions) {
    this.#options = options
    this.#seenVersion = options.seenVersion
  }

  /** All that the ledger may hold, the newest last; empty before the first read. */
  get mayHold(): readonly LedgerEntry[] {
    return this.#base === null ? this.#doubts : [this.#base, ...this.#doubts]
  }

  /** What the last successful read found, believed or not; for status. */
  get found(): LedgerEntry | null {
    return this.#found
  }

  /** The content that is certain, possibly no longer the newest. */
  get base(): LedgerEntry | null {
    return this.#base
  }

  get settled(): boolean {
    return this.#doubts.length === 0
  }

  get swapping(): boolean {
    return this.#swapping
  }

  get health(): LedgerHealth {
    return this.#health
  }

  /** The highest version ever seen by this replica. */
  get seenVersion(): number {
    return this.#seenVersion
  }

  /** Monotonic time of the last read that succeeded; null: none yet. */
  get readAtMs(): number | null {
    return this.#readAtMs
  }

  /** Another replica's word that the ledger has reached `version`: a lower one is not believed from now on. */
  heardOf(version: number): void {
    this.#seenVersion = Math.max(this.#seenVersion, version)
  }

  /** Reads the ledger; callers at the same time share one read. Never rejects: true if the ledger answered. */
  read(): Promise<boolean> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null
      this.#options.onChange()
    })
    return this.#reading
  }

  /**
   * Swaps from exactly `from`, which must be what `base` says. If former attempts are undecided the ledger is read first.
   * Never rejects.
   */
  async swap(from: LedgerEntry | null, change: Change): Promise<SwapResult> {
    if (this.#swapping) return 'busy'
    if (this.#base?.version !== from?.version) return 'conflict'
    this.#swapping = true
    try {
      if (this.#doubts.length > 0) {
        const base = this.#base
        if (!(await this.read())) return 'away'
        if (this.#base !== base || this.#doubts.length === 0) return 'settled'
      }
      if (this.#health === 'lost') return 'lost'
      return await this.#attempt(from, this.#entry(from, (from?.version ?? 0) + 1, change))
    } finally {
      this.#swapping = false
      this.#options.onChange()
    }
  }

  /**
   * Rule 13: writes the entry again after the ledger was lost, above every version that was seen. The caller proves that it serves
   * with both members connected, or that an administrator said so.
   */
  async makeAnew(change: Change): Promise<SwapResult> {
    if (this.#swapping) return 'busy'
    this.#swapping = true
    try {
      // What stands there now is what is replaced: also an entry that was put back.
      if (!(await this.read())) return 'away'
      if (this.#health !== 'lost') return 'settled'
      const entry = this.#entry(this.#base ?? this.#found, this.#seenVersion + 1, change)
      return await this.#attempt(this.#found, entry)
    } finally {
      this.#swapping = false
      this.#options.onChange()
    }
  }

  #entry(from: LedgerEntry | null, version: number, change: Change): LedgerEntry {
    const nonce = randomId(this.#options.random, NONCE_CHARACTERS)
    return { ...change, version, featureLevel: from?.featureLevel ?? FEATURE_LEVEL, nonce }
  }

  async #attempt(from: LedgerEntry | null, to: LedgerEntry): Promise<SwapResult> {
    const { ledger, shard } = this.#options
    const base = this.#base
    this.#doubts.push(to)
    this.#options.onChange()
    const swapped = ledger
      .compareAndSwap(shard, from, to)
      .catch(unknown)
      .then((outcome) => {
        this.#decided(base, to, outcome)
        return outcome.kind
      })
    const kind = await this.#within(swapped)
    if (kind === 'late' || kind === 'unknown') {
      this.#away()
      return 'unknown'
    }
    return kind
  }

  /** The answer to an attempt, in time or late. */
  #decided(base: LedgerEntry | null, to: LedgerEntry, outcome: SwapOutcome): void {
    // Something newer is certain already: then this attempt can have no effect any more, or was seen.
    if (this.#base !== base || !this.#doubts.includes(to)) return
    switch (outcome.kind) {
      case 'ok':
        this.#believe(to)
        break
      case 'conflict':
        this.#doubts = this.#doubts.filter((doubt) => doubt !== to)
        break
      case 'unknown':
        break
      default:
        outcome satisfies never
    }
    this.#options.onChange()
  }

  async #read(): Promise<boolean> {
    const { ledger, shard, clock } = this.#options
    const seenBefore = this.#seenVersion
    const answered = ledger.read(shard).then(
      (entry) => ({ entry }),
      (error: unknown) => ({ error }),
    )
    const answer = await this.#within(answered)
    if (answer === 'late') {
      this.#away()
      return false
    }
    if ('error' in answer) {
      this.#found = null
      // An entry that nobody can read gives nobody the right to anything: the same as none.
      if (errorCode(answer.error) === 'LEDGER_UNREADABLE') this.#health = 'lost'
      else this.#away()
      return false
    }
    const { entry } = answer
    this.#found = entry
    this.#readAtMs = clock.monotonicMs()
    if (entry === null ? seenBefore > 0 : this.#contradicts(entry, seenBefore)) {
      this.#health = 'lost'
      return true
    }
    this.#health = 'good'
    if (entry !== null && entry.version >= this.#seenVersion && entry.nonce !== this.#base?.nonce) this.#believe(entry)
    return true
  }

  /** Lower than one that was seen before the read began, or another under a version that is certain. */
  #contradicts(entry: LedgerEntry, seenBefore: number): boolean {
    if (entry.version < seenBefore) return true
    return this.#base !== null && entry.version === this.#base.version && entry.nonce !== this.#base.nonce
  }

  #believe(entry: LedgerEntry): void {
    assert(entry.version > (this.#base?.version ?? 0), 'what is believed is newer')
    this.#base = entry
    this.#doubts = []
    this.#seenVersion = Math.max(this.#seenVersion, entry.version)
    this.#health = 'good'
    this.#readAtMs = this.#options.clock.monotonicMs()
  }

  #away(): void {
    if (this.#health === 'good') this.#health = 'away'
  }

  /** `promise`, or 'late' after the bound; then its result is only noted. */
  #within<T>(promise: Promise<T>): Promise<T | 'late'> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(this.#options.swapMs, () => resolve('late'))
      promise.then(
        (value) => {
          cancel()
          resolve(value)
        },
        (error: unknown) => {
          cancel()
          reject(error)
        },
      )
    })
  }
}

/** A swap that threw may have landed all the same. */
function unknown(cause: unknown): SwapOutcome {
  return { kind: 'unknown', cause }
}
