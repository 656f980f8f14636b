/**
 * Shows a letter to all engines at once and gathers what they say, each within its own bounds of size, time and number.
 * Invariants: every engine gives exactly one piece of evidence for each letter, in the order of the pool; an engine that hangs,
 * fails or throws costs its own answer and nobody else's.
 */
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { EngineState, Evidence, Finding } from '#lib/filter/evidence.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Letter } from '../letter/letter.ts'
import { VERDICT_LIFE_MS, VERDICTS_MAX } from '../limits.ts'
import type { FilterMetrics } from '../metrics.ts'
import type { Engine } from './engine.ts'

interface KeptVerdict {
  readonly findings: readonly Finding[]
  readonly untilMs: number
}

export interface ScannerOptions {
  readonly engines: readonly Engine[]
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: FilterMetrics
}

export class Scanner {
  readonly #options: ScannerOptions
  readonly #running = new Map<Engine, number>()
  readonly #verdicts = new WeightedLru<string, KeptVerdict>(VERDICTS_MAX)

  constructor(options: ScannerOptions) {
    this.#options = options
  }

  /** Never rejects. */
  async scan(letter: Letter): Promise<Evidence[]> {
    return await Promise.all(this.#options.engines.map((engine) => this.#ask(engine, letter)))
  }

  async #ask(engine: Engine, letter: Letter): Promise<Evidence> {
    const { clock, metrics } = this.#options
    const began = clock.monotonicMs()
    const evidence = await this.#judge(engine, letter)
    metrics.engineSeconds.observe({ engine: engine.name }, (clock.monotonicMs() - began) / 1000)
    metrics.engineLetters.inc({ engine: engine.name, state: evidence.state })
    for (const { kind } of evidence.findings) metrics.findings.inc({ engine: engine.name, kind })
    return evidence
  }

  async #judge(engine: Engine, letter: Letter): Promise<Evidence> {
    const without = (state: EngineState): Evidence => ({ engine: engine.name, state, findings: [] })
    if (letter.bytes > engine.bytesMax) return without('too-large')
    const key = engine.ofContent ? `${engine.name} ${letter.digest}` : null
    const kept = key === null ? undefined : this.#verdicts.get(key)
    if (kept !== undefined && kept.untilMs > this.#options.clock.monotonicMs()) {
      this.#options.metrics.verdictsReused.inc({ engine: engine.name })
      return { engine: engine.name, state: 'done', findings: kept.findings }
    }
    const running = this.#running.get(engine) ?? 0
    if (running >= engine.concurrency) return without('busy')
    this.#running.set(engine, running + 1)
    try {
      const findings = await this.#withinTime(engine, letter)
      if (findings === null) return without('late')
      if (key !== null) {
        const untilMs = this.#options.clock.monotonicMs() + VERDICT_LIFE_MS
        this.#verdicts.set(key, { findings, untilMs }, 1)
      }
      return { engine: engine.name, state: 'done', findings }
    } catch (error) {
      this.#options.logger.warn(
        { engine: engine.name, trace: letter.context.traceId, reason: errorMessage(error) },
        'engine failed',
      )
      return without('failed')
    } finally {
      this.#running.set(engine, (this.#running.get(engine) ?? 1) - 1)
    }
  }

  /** @returns null: there was no answer in time. */
  async #withinTime(engine: Engine, letter: Letter): Promise<readonly Finding[] | null> {
    const abort = new AbortController()
    let cancel = () => {}
    const late = new Promise<null>((resolve) => {
      cancel = this.#options.clock.after(engine.timeoutMs, () => resolve(null))
    })
    try {
      const answer = engine.scan(letter, abort.signal)
      answer.catch(() => {}) // it may fail when nobody waits for it any more
      return await Promise.race([answer, late])
    } finally {
      cancel()
      abort.abort()
    }
  }
}
