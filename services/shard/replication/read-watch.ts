/** Rule 8 watched: whether mail may be sent now, told whenever that changes, and whether the clock jumped, which ends every lease. */
import type { Clock } from '#lib/ports/clock.ts'
import { type ClockLook, clockJumped, type ReadFacts, type ReadRight, readRight } from '../roles/read-right.ts'
import type { RoleTimes } from '../roles/times.ts'

export interface ReadWatchOptions {
  readonly clock: Clock
  readonly times: RoleTimes
  readonly facts: () => Omit<ReadFacts, 'nowMs' | 'times'>
  /** Called before the facts are asked for. */
  readonly onJump: () => void
}

export class ReadWatch {
  readonly #options: ReadWatchOptions
  readonly #listeners: ((right: ReadRight) => void)[] = []
  #look: ClockLook
  #mayRead = false

  constructor(options: ReadWatchOptions) {
    const { clock } = options
    this.#options = options
    this.#look = { wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() }
  }

  onChange(listener: (right: ReadRight) => void): void {
    this.#listeners.push(listener)
  }

  /** As it is now, by a fresh look at the clock. */
  right(): ReadRight {
    const { clock, times, facts } = this.#options
    this.watchClock()
    return readRight({ ...facts(), nowMs: clock.monotonicMs(), times })
  }

  watchClock(): void {
    const { clock, times, onJump } = this.#options
    const now = { wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() }
    const jumped = clockJumped(this.#look, now, times)
    this.#look = now
    if (jumped) onJump()
  }

  /** Tells the listeners if the right was lost or came back since they were told last. */
  check(): void {
    const right = this.right()
    if ((right.kind === 'may') === this.#mayRead) return
    this.#mayRead = right.kind === 'may'
    for (const listener of this.#listeners) listener(right)
  }
}
