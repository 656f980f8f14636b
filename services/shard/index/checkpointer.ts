/**
 * Brings what is in the write-ahead log into the index file. A checkpoint syncs the file and may take long: a worker thread
 * does it on a connection of its own, PASSIVE, so that neither letters nor sessions wait.
 */
import { Worker } from 'node:worker_threads'

export interface CheckpointResult {
  /** Pages in the write-ahead log, and how many of them are in the file now. */
  readonly walPages: number
  readonly checkpointedPages: number
}

/** The port: the simulator runs the same statement at a tick of its own. */
export interface Checkpointer {
  run(): Promise<CheckpointResult>
  stop(): Promise<void>
}

export class WorkerCheckpointer implements Checkpointer {
  readonly #worker: Worker
  #waiting: { resolve: (result: CheckpointResult) => void; reject: (error: Error) => void } | null = null

  /** @param path The index file. */
  constructor(path: string) {
    this.#worker = new Worker(new URL('./checkpoint-worker.ts', import.meta.url), { workerData: { path } })
    this.#worker.unref()
    this.#worker.on('message', (result: CheckpointResult) => {
      this.#waiting?.resolve(result)
      this.#waiting = null
    })
    this.#worker.on('error', (error) => this.#lost(error instanceof Error ? error : new Error(String(error))))
    this.#worker.on('exit', () => this.#lost(new Error('Cannot checkpoint: the worker has ended')))
  }

  run(): Promise<CheckpointResult> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#worker.postMessage('checkpoint')
    })
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }

  #lost(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = null
  }
}
