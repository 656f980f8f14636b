/**
 * Where the machine's wishes to the ledger are paced: one swap at a time, a pause after one that came to nothing, no read sooner
 * than asked for. What a swap came to is read from the agent, not from here.
 */
import type { Clock } from '#lib/ports/clock.ts'
import type { LedgerAgent, SwapResult } from '../ledger/agent.ts'

/** Between two swaps of which the first came to nothing. */
const SWAP_PACE_MS = 200

export interface LedgerDeskOptions {
  readonly agent: LedgerAgent
  readonly clock: Clock
  readonly onSwapped: (change: string, result: SwapResult, phase: string) => void
  readonly onChange: () => void
  readonly onFailure: (error: unknown) => void
}

export class LedgerDesk {
  readonly #options: LedgerDeskOptions
  #swap: Promise<void> | null = null
  #reading: Promise<void> | null = null
  #nextSwapMs = Number.NEGATIVE_INFINITY
  #nextReadMs = Number.NEGATIVE_INFINITY

  constructor(options: LedgerDeskOptions) {
    this.#options = options
  }

  get swapping(): boolean {
    return this.#swap !== null || this.#options.agent.swapping
  }

  /** Whether a swap may begin now. */
  get due(): boolean {
    return this.#swap === null && this.#options.clock.monotonicMs() >= this.#nextSwapMs
  }

  /** Begins a swap; the caller has asked `due`. */
  swap(change: string, phase: string, run: () => Promise<SwapResult>): void {
    const { onChange, onFailure } = this.#options
    this.#swap = this.#run(change, phase, run)
      .catch(onFailure)
      .finally(() => {
        this.#swap = null
        onChange()
      })
  }

  /** Begins a read, unless one is under way or the last began less than `paceMs` ago as it was paced then. 0: at once. */
  read(paceMs: number): void {
    const { agent, clock } = this.#options
    const nowMs = clock.monotonicMs()
    if (this.#reading !== null || (paceMs > 0 && nowMs < this.#nextReadMs)) return
    this.#nextReadMs = nowMs + paceMs
    this.#reading = agent.read().then(() => {
      this.#reading = null
    })
  }

  /** The ledger is known to have changed: a read that begins now, and not one that began before, shows it. */
  async readChanged(): Promise<void> {
    await this.#reading
    this.read(0)
  }

  /** Resolves when nothing is under way; for a clean end. */
  async idle(): Promise<void> {
    await Promise.all([this.#swap, this.#reading])
  }

  async #run(change: string, phase: string, run: () => Promise<SwapResult>): Promise<void> {
    const { agent, clock, onSwapped } = this.#options
    const result = await run()
    onSwapped(change, result, phase)
    // Somebody else was faster: who?
    if (result === 'conflict') await agent.read()
    if (result !== 'ok' && result !== 'settled') this.#nextSwapMs = clock.monotonicMs() + SWAP_PACE_MS
  }
}
