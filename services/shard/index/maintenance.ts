/** Writes the index out while it runs: what was applied several times a second, checkpoints every few seconds in the worker, and what the worker could not catch up with here. */
import { errorCode } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { type Checkpointer, WorkerCheckpointer } from './checkpointer.ts'
import { type IndexPlace, indexPath } from './open.ts'
import type { ShardIndex } from './port.ts'

const CHECKPOINT_INTERVAL_MS = 2_000
/** What a crash makes the next start apply again is some hundred records. */
const FLUSH_INTERVAL_MS = 200
/** 64 MiB. Under steady load a PASSIVE checkpoint never ends exactly where the writer is, and the file would grow for ever. */
const WAL_PAGES_MAX = 16_384

export interface IndexMaintenance {
  /** What the file holds even after a crash; 0 as long as that is not known. */
  readonly checkpointedLsn: number
  stop(): Promise<void>
}

export interface IndexMaintenanceOptions {
  readonly index: ShardIndex
  readonly place: IndexPlace
  readonly clock: Clock
  /** The index could not be written out or checkpointed: it still works, and it will be tried again. */
  readonly onFailure: (error: Error) => void
  /** What was applied is gone: nothing may be read or applied any more. */
  readonly onLost: (error: Error) => void
  /** Default: a worker thread on the file of `place`. */
  readonly checkpointer?: Checkpointer
}

export function startIndexMaintenance(options: IndexMaintenanceOptions): IndexMaintenance {
  const { index, place, clock, onFailure, onLost } = options
  if (place === ':memory:' && options.checkpointer === undefined)
    return { checkpointedLsn: 0, stop: async () => undefined }
  const checkpointer = options.checkpointer ?? new WorkerCheckpointer(indexPath(place))
  let checkpointedLsn = 0
  let underWay: Promise<void> = Promise.resolve()
  let stopped = false
  const round = async () => {
    index.flush()
    const lsn = index.appliedLsn
    if (lsn === checkpointedLsn) return
    const { walPages } = await checkpointer.run()
    checkpointedLsn = lsn
    // The worker has copied nearly all: what is left is little, and nobody writes meanwhile.
    if (walPages > WAL_PAGES_MAX && !stopped) index.checkpoint()
  }
  const failed = (cause: unknown) => {
    const error = cause instanceof Error ? cause : new Error(String(cause))
    if (errorCode(error) === 'INDEX_TAKEN_BACK') onLost(error)
    else onFailure(error)
  }
  let cancel: () => void = () => undefined
  const next = () => {
    if (stopped) return
    cancel = clock.after(CHECKPOINT_INTERVAL_MS, () => {
      underWay = round().catch(failed).then(next)
    })
  }
  next()
  let cancelFlush: () => void = () => undefined
  let flushes = true
  const flushLater = () => {
    cancelFlush = clock.after(FLUSH_INTERVAL_MS, () => {
      try {
        index.flush()
        flushes = true
      } catch (error) {
        // Told once: a full disk stays full over many tries.
        if (flushes || errorCode(error) === 'INDEX_TAKEN_BACK') failed(error)
        flushes = false
      }
      flushLater()
    })
  }
  flushLater()
  return {
    get checkpointedLsn() {
      return checkpointedLsn
    },
    async stop() {
      stopped = true
      cancel()
      cancelFlush()
      await underWay
      await checkpointer.stop()
    },
  }
}
