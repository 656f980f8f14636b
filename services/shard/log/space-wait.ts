/**
 * Rule 16: a disk without space is not a failed one. What could not be written for want of it is written again until there is some.
 *
 * Invariants: only a refused write is tried again, never a sync that failed (rule 15: ENOSPC says that the bytes were not taken); what
 * waits here holds back everything behind it, so the order of writes stays; `end` makes whoever waits fail with the disk's own error.
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'

/** Short enough that clients who were asked to come again find the space that somebody made. */
const AGAIN_AFTER_MS = 250

export class SpaceWait {
  readonly #clock: Clock
  readonly #onChange: (full: boolean) => void
  #full = false
  #ended = false
  #wake = () => {}

  /** @param onChange Told when waiting begins, and when what waited was written. */
  constructor(clock: Clock, onChange: (full: boolean) => void = () => {}) {
    this.#clock = clock
    this.#onChange = onChange
  }

  /** Something waits for space. */
  get full(): boolean {
    return this.#full
  }

  /** @param write Safe to be begun again after it failed for want of space. @throws what `write` throws for another reason, or after `end` */
  async run<T>(write: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const done = await write()
        this.#tell(false)
        return done
      } catch (error) {
        if (!isNoSpace(error) || this.#ended) throw error
      }
      this.#tell(true)
      await this.#pause()
    }
  }

  /** Nothing is waited for any more: one last try, then the error. */
  end(): void {
    this.#ended = true
    this.#wake()
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(AGAIN_AFTER_MS, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }

  #tell(full: boolean): void {
    if (this.#full === full) return
    this.#full = full
    this.#onChange(full)
  }
}

const NO_SPACE: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'DISK_SHORT_WRITE', 'INDEX_NO_SPACE'])

/** The volume, or the quota on it, has no room for what was to be written. */
export function isNoSpace(error: unknown): boolean {
  const code = errorCode(error)
  return code !== undefined && NO_SPACE.has(code)
}
