/**
 * How long a batch waits for company. Most of what a commit costs is its own: two disks that sync, a frame, an acknowledgement, a
 * transaction. Clients that wait for their answers come back together, just after a commit; a writer that begins with the first
 * of them commits each alone, one that waits a moment takes all of them at once.
 *
 * Invariants: nobody who is alone waits; no batch waits longer than GATHER_MS after the commit of the one before, nor longer than
 * UNCOMMITTED_MS for that commit.
 */
import type { Clock } from '#lib/ports/clock.ts'

/** Time for a client to read its answer and to send what follows. */
export const GATHER_MS = 1
/** A mirror that is slower than this holds nobody back: the next batch goes to it all the same. */
export const UNCOMMITTED_MS = 4

export interface GatherFacts {
  /** Appends that wait to be written. */
  readonly waiting: number
  /** Appends that the batch before had. */
  readonly before: number
  /** Since the batch before was durable here. */
  readonly sinceDurableMs: number
  /** Since it was committed; null: it is not yet. */
  readonly sinceCommitMs: number | null
}

/** @returns For how long to wait before it is asked again, unless something is appended or committed meanwhile; 0: write now. */
export function gatherMs({ waiting, before, sinceDurableMs, sinceCommitMs }: GatherFacts): number {
  if (before <= 1 || waiting >= before) return 0
  if (sinceCommitMs === null) return Math.max(0, UNCOMMITTED_MS - sinceDurableMs)
  return Math.max(0, GATHER_MS - sinceCommitMs)
}

/** The writer's view of what comes and goes. */
export class Gathering {
  readonly #clock: Clock
  #waiting = 0
  #before = 0
  #durableAtMs = 0
  #committedAtMs: number | null = null
  #wake: (() => void) | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  appended(): void {
    this.#waiting++
    this.#wake?.()
  }

  /** What waited is being written. */
  begun(): void {
    this.#before = this.#waiting
    this.#waiting = 0
    this.#committedAtMs = null
  }

  durable(): void {
    this.#durableAtMs = this.#clock.monotonicMs()
  }

  /** All that is durable here is committed. */
  committed(): void {
    this.#committedAtMs ??= this.#clock.monotonicMs()
    this.#wake?.()
  }

  /** Resolves when what waits should be written. */
  async enough(): Promise<void> {
    for (let ms = this.#leftMs(); ms > 0; ms = this.#leftMs()) await this.#pause(ms)
  }

  #leftMs(): number {
    const nowMs = this.#clock.monotonicMs()
    return gatherMs({
      waiting: this.#waiting,
      before: this.#before,
      sinceDurableMs: nowMs - this.#durableAtMs,
      sinceCommitMs: this.#committedAtMs === null ? null : nowMs - this.#committedAtMs,
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, () => this.#wake?.())
      this.#wake = () => {
        cancel()
        this.#wake = null
        resolve()
      }
    })
  }
}
