/**
 * The planned handover: who asked for it and waits, since when new operations are held back for it, and what keeps this replica
 * from becoming primary (a fence, the end of its process). Invariants: one request at a time, and each is settled exactly once. It outlives a term of office.
 */
import type { Clock } from '#lib/ports/clock.ts'
import { CommandError } from './errors.ts'

export class Handover {
  readonly #clock: Clock
  #request: { resolve: () => void; reject: (error: Error) => void } | null = null
  #drainingFromMs: number | null = null
  #calmFromMs = Number.NEGATIVE_INFINITY
  #fenced = false
  #retiring = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get requested(): boolean {
    return this.#request !== null
  }

  /** New operations are held back. */
  get draining(): boolean {
    return this.#drainingFromMs !== null
  }

  /** For how long they have been; null: they are not. */
  get drainingMs(): number | null {
    return this.#drainingFromMs === null ? null : this.#clock.monotonicMs() - this.#drainingFromMs
  }

  /** Since a handover was called off last: infinite if none was. */
  get calmMs(): number {
    return this.#clock.monotonicMs() - this.#calmFromMs
  }

  get fenced(): boolean {
    return this.#fenced
  }

  /** This replica takes no office: fenced, or its process is about to stop. */
  get standsBack(): boolean {
    return this.#fenced || this.#retiring
  }

  /** For the rest of the process life. */
  retire(): void {
    this.#retiring = true
  }

  fence(): void {
    this.#fenced = true
  }

  unfence(): void {
    this.#fenced = false
  }

  /**
   * Takes the place of a request that waits.
   * @returns Resolves with `done`.
   * @throws {CommandError} REPLICA_CALLED_OFF with `callOff` or `resume`
   */
  request(): Promise<void> {
    this.callOff('another switchover was asked for')
    return new Promise((resolve, reject) => {
      this.#request = { resolve, reject }
    })
  }

  drain(): void {
    this.#drainingFromMs = this.#clock.monotonicMs()
  }

  /** The handover came to nothing: this replica stays primary. */
  resume(phase: string): void {
    this.#drainingFromMs = null
    this.#calmFromMs = this.#clock.monotonicMs()
    this.callOff(phase)
  }

  /** The term ends: there is nothing to hold back any more. Whoever waits is answered when the term has ended. */
  endDraining(): void {
    this.#drainingFromMs = null
  }

  /** The peer is named primary and this replica has stepped down. */
  done(): void {
    this.#request?.resolve()
    this.#request = null
  }

  callOff(phase: string): void {
    this.#request?.reject(new CommandError('REPLICA_CALLED_OFF', `Cannot hand over: ${phase}`))
    this.#request = null
  }
}
