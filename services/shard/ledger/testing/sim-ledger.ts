/**
 * A ledger for tests and the simulator: one truth, and a client for each process with faults of its own. Deterministic: driven by
 * the clock and the chance it is given.
 *
 * It keeps the contract of a Kubernetes Lease: a swap carries the resource version that was read, which never comes twice, not
 * even after the entry was lost or put back.
 */
import type { ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { type Ledger, type LedgerEntry, LedgerError, type SwapOutcome } from '../types.ts'

export interface SimLedgerFaults {
  /** The client gets no answer: reads fail, swaps are unknown and do not land. */
  unreachable: boolean
  /** Chance that a swap's answer is lost although it landed. */
  lostAnswer: number
  /** Chance that a swap is lost and its answer too. */
  lostSwap: number
  /** Chance that a swap's answer is lost and it lands up to `lateMs` later, if its version still fits then. */
  lateSwap: number
  lateMs: number
  /** One answer takes between 0.2 and `latencyMs`. */
  latencyMs: number
}

export const NO_LEDGER_FAULTS: Readonly<SimLedgerFaults> = {
  unreachable: false,
  lostAnswer: 0,
  lostSwap: 0,
  lateSwap: 0,
  lateMs: 2_000,
  latencyMs: 5,
}

/** How long a client waits for an answer that does not come. */
const NO_ANSWER_MS = 1_000

export interface SimLedgerOptions {
  readonly clock: Clock
  readonly random: Random
  /** Called for each thing worth counting: 'swap lost', 'swap landed late', and so on. */
  readonly onEvent?: (event: string) => void
}

export class SimLedger {
  readonly #options: SimLedgerOptions
  readonly #entries = new Map<ShardName, LedgerEntry>()
  /** Every entry that ever was in the ledger, in order; for checkers. */
  readonly history: { readonly shard: ShardName; readonly entry: LedgerEntry; readonly atMs: number }[] = []

  constructor(options: SimLedgerOptions) {
    this.#options = options
  }

  /** The true content. */
  entry(shard: ShardName): LedgerEntry | null {
    return this.#entries.get(shard) ?? null
  }

  /** The entry is deleted. */
  lose(shard: ShardName): void {
    this.#entries.delete(shard)
  }

  /** The entry is put back to the one `steps` changes before. False if there was none. */
  rollBack(shard: ShardName, steps: number): boolean {
    const before = this.history.filter((one) => one.shard === shard).at(-1 - steps)
    if (before === undefined) return false
    this.#entries.set(shard, { ...before.entry })
    return true
  }

  /** An administrator writes; no faults. */
  put(shard: ShardName, entry: LedgerEntry): void {
    this.#write(shard, entry)
  }

  client(): SimLedgerClient {
    return new SimLedgerClient(this, this.#options)
  }

  /** For clients. */
  swap(shard: ShardName, from: LedgerEntry | null, to: LedgerEntry): boolean {
    const now = this.entry(shard)
    if (now?.version !== from?.version || now?.nonce !== from?.nonce) return false
    this.#write(shard, to)
    return true
  }

  #write(shard: ShardName, entry: LedgerEntry): void {
    this.#entries.set(shard, entry)
    this.history.push({ shard, entry, atMs: this.#options.clock.monotonicMs() })
  }
}

export class SimLedgerClient implements Ledger {
  readonly faults: SimLedgerFaults = { ...NO_LEDGER_FAULTS }
  /** The next swap meets this fault, whatever chance says. */
  next: 'lost-answer' | 'lost-swap' | 'late-swap' | null = null
  readonly #ledger: SimLedger
  readonly #options: SimLedgerOptions

  constructor(ledger: SimLedger, options: SimLedgerOptions) {
    this.#ledger = ledger
    this.#options = options
  }

  async read(shard: ShardName): Promise<LedgerEntry | null> {
    if (this.faults.unreachable) return this.#noAnswer()
    await this.#delay()
    const entry = this.#ledger.entry(shard)
    await this.#delay()
    if (this.faults.unreachable) return this.#noAnswer()
    return entry
  }

  async compareAndSwap(shard: ShardName, from: LedgerEntry | null, to: LedgerEntry): Promise<SwapOutcome> {
    if (this.faults.unreachable) {
      await this.#wait(NO_ANSWER_MS)
      return { kind: 'unknown', cause: 'unreachable' }
    }
    const fault = this.#fault()
    await this.#delay()
    switch (fault) {
      case null:
        break
      case 'lost-swap':
        this.#count('swap lost')
        await this.#wait(NO_ANSWER_MS)
        return { kind: 'unknown', cause: fault }
      case 'lost-answer':
        this.#count(this.#ledger.swap(shard, from, to) ? 'answer of a landed swap lost' : 'answer of a conflict lost')
        await this.#wait(NO_ANSWER_MS)
        return { kind: 'unknown', cause: fault }
      case 'late-swap':
        this.#options.clock.after(this.#options.random.fraction() * this.faults.lateMs, () => {
          this.#count(this.#ledger.swap(shard, from, to) ? 'swap landed late' : 'late swap came to nothing')
        })
        await this.#wait(NO_ANSWER_MS)
        return { kind: 'unknown', cause: fault }
      default:
        fault satisfies never
    }
    const landed = this.#ledger.swap(shard, from, to)
    await this.#delay()
    if (this.faults.unreachable) {
      await this.#wait(NO_ANSWER_MS)
      return { kind: 'unknown', cause: 'unreachable' }
    }
    return { kind: landed ? 'ok' : 'conflict' }
  }

  #fault(): 'lost-answer' | 'lost-swap' | 'late-swap' | null {
    const said = this.next
    this.next = null
    if (said !== null) return said
    const dice = this.#options.random.fraction()
    const { lostAnswer, lostSwap, lateSwap } = this.faults
    if (dice < lostAnswer) return 'lost-answer'
    if (dice < lostAnswer + lostSwap) return 'lost-swap'
    return dice < lostAnswer + lostSwap + lateSwap ? 'late-swap' : null
  }

  async #noAnswer(): Promise<never> {
    await this.#wait(NO_ANSWER_MS)
    throw new LedgerError('LEDGER_UNAVAILABLE', 'Cannot reach the ledger')
  }

  #delay(): Promise<void> {
    return this.#wait(0.2 + this.#options.random.fraction() * Math.max(0, this.faults.latencyMs - 0.2))
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(ms, resolve))
  }

  #count(event: string): void {
    this.#options.onEvent?.(event)
  }
}
