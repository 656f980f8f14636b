/** `SessionHost` that gathers what is written, on a clock that stands still. */
import type { CodedError } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { CompressionBudget } from '../session/compress/compression.ts'
import { LruHeaderCache } from '../session/header-cache.ts'
import type { SessionHost } from '../session/host.ts'
import { LruSortFieldsCache } from '../session/sort/sort-fields.ts'
import { LruStructureCache } from '../session/structure-cache.ts'

/** Tuesday, 24 November 2026, 08:00 UTC. */
export const TEST_NOW_MS = Date.UTC(2026, 10, 24, 8, 0, 0)

export class MemoryHost implements SessionHost {
  readonly clock: Clock = { nowMs: () => TEST_NOW_MS, monotonicMs: () => 0, after: () => () => {} }
  readonly structures = new LruStructureCache(1000)
  readonly headers = new LruHeaderCache(1_000_000)
  readonly compression = new CompressionBudget(2)
  readonly sortFields = new LruSortFieldsCache(1_000_000)
  readonly reported: unknown[] = []
  #written: Uint8Array[] = []
  #waiting: (() => void)[] = []
  /** While true, `write()` says that enough is waiting and `drained()` does not resolve. */
  blocked = false
  pauses = 0

  write(bytes: Uint8Array): boolean {
    this.#written.push(bytes)
    return !this.blocked
  }

  drained(): Promise<void> {
    if (!this.blocked) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Ends `blocked`. */
  unblock(): void {
    this.blocked = false
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  pause(): Promise<void> {
    this.pauses++
    return new Promise((resolve) => setImmediate(resolve))
  }

  responseCode(error: CodedError): string | undefined {
    return error.code === 'MEMORY_NO_CODE' ? '' : undefined
  }

  report(error: unknown): void {
    this.reported.push(error)
  }

  /** What was written since the last call, as code units 0..255. */
  take(): string {
    const bytes = Buffer.concat(this.#written)
    this.#written = []
    return bytes.toString('latin1')
  }

  get waitingBytes(): number {
    return this.#written.reduce((sum, bytes) => sum + bytes.byteLength, 0)
  }
}

/** Two turns of the event loop: everything that does not wait for input has happened. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve))
}
