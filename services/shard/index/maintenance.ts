/** Checkpoints the index while it runs: every few seconds in the worker, and what the worker could not catch up with here. */
import type { Clock } from '#lib/ports/clock.ts'
import { type Checkpointer, WorkerCheckpointer } from './checkpointer.ts'
import { type IndexPlace, indexPath } from './open.ts'
import type { ShardIndex } from './port.ts'

const CHECKPOINT_INTERVAL_MS = 2_000
/** 64 MiB. Under steady load a PASSIVE checkpoint never ends exactly where the writer is, and the file would grow for ever. */
const WAL_PAGES_MAX = 16_384

export interface IndexMaintenance {
  stop(): Promise<void>
}

export interface IndexMaintenanceOptions {
  readonly index: ShardIndex
  readonly place: IndexPlace
  readonly clock: Clock
  /** A checkpoint failed: the index still works, its write-ahead log grows. */
  readonly onFailure: (error: Error) => void
  /** Default: a worker thread on the file of `place`. */
  readonly checkpointer?: Checkpointer
}

export function startIndexMaintenance(options: IndexMaintenanceOptions): IndexMaintenance {
  const { index, place, clock, onFailure } = options
  if (place === ':memory:' && options.checkpointer === undefined) return { stop: async () => undefined }
  const checkpointer = options.checkpointer ?? new WorkerCheckpointer(indexPath(place))
  let checkpointedLsn = 0
  let underWay: Promise<void> = Promise.resolve()
  let stopped = false
  const round = async () => {
    const lsn = index.appliedLsn
    if (lsn === checkpointedLsn) return
    const { walPages } = await checkpointer.run()
    checkpointedLsn = lsn
    // The worker has copied nearly all: what is left is little, and nobody writes meanwhile.
    if (walPages > WAL_PAGES_MAX && !stopped) index.checkpoint()
  }
  let cancel: () => void = () => undefined
  const next = () => {
    if (stopped) return
    cancel = clock.after(CHECKPOINT_INTERVAL_MS, () => {
      underWay = round()
        .catch((error: unknown) => onFailure(error instanceof Error ? error : new Error(String(error))))
        .then(next)
    })
  }
  next()
  return {
    async stop() {
      stopped = true
      cancel()
      await underWay
      await checkpointer.stop()
    },
  }
}
