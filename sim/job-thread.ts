/** The thread behind `jobs.ts`: puts the mutant in place, then runs one history after another. */
import { parentPort, workerData } from 'node:worker_threads'
import type { JobSettings, Task } from './jobs.ts'
import { installMutant } from './mutants.ts'
import { runHistory } from './one-history.ts'

// Only jobs.ts begins this thread and writes to it.
const { mutant, traceLines } = workerData as JobSettings
const weakness = mutant === null ? undefined : installMutant(mutant)?.weakness
const settings = { traceLines, ...(weakness === undefined ? {} : { weakness }) }

let last: Promise<void> = Promise.resolve()
parentPort?.on('message', ({ world, seed }: Task) => {
  last = last.then(async () => parentPort?.postMessage(await runHistory(world, seed, settings)))
})
