/**
 * Connecting to one address when the machine is so busy that a handshake takes longer than anybody waits for it. Who asks waits for
 * a short time; the attempt goes on without him and whoever asks next finds it further on, so that a busy machine makes progress
 * instead of beginning handshakes that it throws away. A second attempt beside a slow one finds the other end where the first was lost
 * on a cut network or went to an old address: the first that stands is used.
 *
 * Invariants: two attempts at most; one that is given up leaves nothing behind; who waits is answered within ASK_MS of this process's time.
 */
import type { Clock } from '#lib/ports/clock.ts'
import { deadline } from './deadline.ts'

/** How long one waits, and after how long an attempt counts as slow. */
export const ASK_MS = 2_000
/** No handshake of a machine that can still serve takes longer. */
export const ATTEMPT_MS = 10_000

export interface ConnectRaceOptions<T> {
  readonly clock: Clock
  /** Begins an attempt. When the signal is aborted it ends, and what it opened is closed. */
  readonly begin: (signal: AbortSignal) => Promise<T>
  /** The first that stands, before those who wait get it. */
  readonly onStands: (connection: T) => void
}

interface Attempt {
  readonly ending: AbortController
  slow: boolean
  readonly cancelTimers: () => void
}

interface Waiting<T> {
  readonly resolve: (connection: T) => void
  readonly reject: (error: unknown) => void
}

export class ConnectRace<T> {
  readonly #options: ConnectRaceOptions<T>
  /** Oldest first. */
  #attempts: Attempt[] = []
  readonly #waiting = new Set<Waiting<T>>()

  constructor(options: ConnectRaceOptions<T>) {
    this.#options = options
  }

  /** The next connection that stands. Rejects when the newest attempt failed, or after ASK_MS. */
  wait(): Promise<T> {
    const newest = this.#attempts.at(-1)
    if (newest === undefined || newest.slow) this.#begin()
    return new Promise((resolve, reject) => {
      const done = () => {
        cancel()
        this.#waiting.delete(waiting)
      }
      const waiting: Waiting<T> = {
        resolve(connection) {
          done()
          resolve(connection)
        },
        reject(error) {
          done()
          reject(error)
        },
      }
      const cancel = deadline(this.#options.clock, ASK_MS, () => waiting.reject(new Error('timed out')))
      this.#waiting.add(waiting)
    })
  }

  /** Gives everything up. */
  end(reason: string): void {
    const error = new Error(reason)
    for (const attempt of [...this.#attempts]) this.#giveUp(attempt, error)
    this.#rejectAll(error)
  }

  #begin(): void {
    const { clock, begin } = this.#options
    const [, second] = this.#attempts
    if (second !== undefined) this.#giveUp(second, new Error('a newer attempt took its place'))
    const cancels = [
      deadline(clock, ASK_MS, () => {
        attempt.slow = true
      }),
      deadline(clock, ATTEMPT_MS, () => this.#giveUp(attempt, new Error('timed out'))),
    ]
    const attempt: Attempt = {
      ending: new AbortController(),
      slow: false,
      cancelTimers: () => {
        for (const cancel of cancels) cancel()
      },
    }
    this.#attempts.push(attempt)
    begin(attempt.ending.signal).then(
      (connection) => this.#stands(attempt, connection),
      (error: unknown) => this.#failed(attempt, error),
    )
  }

  #stands(attempt: Attempt, connection: T): void {
    if (!this.#attempts.includes(attempt)) return // given up: the signal closes what it opened
    this.#remove(attempt)
    for (const other of [...this.#attempts]) this.#giveUp(other, new Error('another attempt was faster'))
    this.#options.onStands(connection)
    for (const waiting of [...this.#waiting]) waiting.resolve(connection)
  }

  #failed(attempt: Attempt, error: unknown): void {
    const newest = this.#attempts.at(-1)
    if (!this.#remove(attempt)) return
    if (attempt === newest) this.#rejectAll(error)
  }

  #giveUp(attempt: Attempt, reason: Error): void {
    if (this.#remove(attempt)) attempt.ending.abort(reason)
  }

  #remove(attempt: Attempt): boolean {
    const before = this.#attempts.length
    this.#attempts = this.#attempts.filter((one) => one !== attempt)
    attempt.cancelTimers()
    return this.#attempts.length < before
  }

  #rejectAll(error: unknown): void {
    for (const waiting of [...this.#waiting]) waiting.reject(error)
  }
}
