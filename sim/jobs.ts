/**
 * Histories of many seeds on several threads. Each is a function of its seed alone, so which thread runs it changes nothing; results
 * come in the order of seeds, and what is printed does not depend on how many threads there are.
 */
import { Worker } from 'node:worker_threads'
import { type HistoryResult, type HistorySettings, runHistory, type WorldName } from './one-history.ts'

/** What a thread is told when it begins. */
export interface JobSettings {
  readonly mutant: string | null
  /** Lines of the trace that a failure reports. */
  readonly traceLines: number
}

export interface Task {
  readonly world: WorldName
  readonly seed: number
}

interface Runner {
  /** Tasks that are given meanwhile wait. */
  run(task: Task): Promise<HistoryResult>
  end(): Promise<unknown>
}

/** Tasks that wait in front of each thread: histories differ in length, and none should stand idle. */
const TASKS_PER_THREAD = 8

export class Jobs {
  readonly #runners: readonly Runner[]
  readonly #ahead: number

  /** @param threads 1: here, without any thread, where a debugger or profiler sees it; a mutant must be in place then */
  constructor(threads: number, settings: JobSettings) {
    this.#ahead = threads > 1 ? threads * TASKS_PER_THREAD : 1
    this.#runners =
      threads > 1 ? Array.from({ length: threads }, () => new ThreadRunner(settings)) : [new HereRunner(settings)]
  }

  /** The results of `count` seeds from `firstSeed` on, in order. Nothing is begun after the caller stops to ask. */
  async *results(world: WorldName, firstSeed: number, count: number): AsyncGenerator<HistoryResult> {
    const waiting: Promise<HistoryResult>[] = []
    let begun = 0
    for (let done = 0; done < count; done++) {
      for (; begun < Math.min(count, done + this.#ahead); begun++) {
        const runner = this.#runners[begun % this.#runners.length]
        if (runner !== undefined) waiting.push(runner.run({ world, seed: firstSeed + begun }))
      }
      const next = waiting.shift()
      if (next !== undefined) yield await next
    }
  }

  /** Ends all threads, whatever they do. */
  async end(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.end()))
  }
}

class HereRunner implements Runner {
  readonly #settings: HistorySettings

  constructor({ traceLines }: JobSettings) {
    this.#settings = { traceLines }
  }

  async run({ world, seed }: Task): Promise<HistoryResult> {
    // Lets signals through: histories themselves never leave the promise queue.
    await new Promise(setImmediate)
    return runHistory(world, seed, this.#settings)
  }

  async end(): Promise<void> {}
}

class ThreadRunner implements Runner {
  readonly #worker: Worker
  readonly #waiting: { resolve: (result: HistoryResult) => void; reject: (error: unknown) => void }[] = []

  constructor(settings: JobSettings) {
    this.#worker = new Worker(new URL('./job-thread.ts', import.meta.url), { workerData: settings })
    this.#worker.on('message', (result: HistoryResult) => this.#waiting.shift()?.resolve(result))
    this.#worker.on('error', (error) => {
      for (const { reject } of this.#waiting.splice(0)) reject(error)
    })
  }

  run(task: Task): Promise<HistoryResult> {
    const result = new Promise<HistoryResult>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    // Whoever waits for an earlier seed hears of a broken thread too, and does not come to this one.
    result.catch(() => {})
    this.#worker.postMessage(task)
    return result
  }

  end(): Promise<unknown> {
    return this.#worker.terminate()
  }
}
