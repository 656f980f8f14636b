/**
 * Writes the steps of a move. They go on when the disk is nearly full or one copy is left: stopping between two of them would leave an
 * account that nobody serves. Copies ask like everything else that fills a disk.
 */
import type { StoreCore } from '../mailbox/store-core.ts'
import type { ShardRecord } from '../records/types.ts'

/** Resolves when it is committed and applied. @throws {StoreError} STORE_UNAVAILABLE, STORE_BUSY, STORE_NOT_PRIMARY */
export function commitStep(core: StoreCore, facts: readonly ShardRecord[]): Promise<void> {
  return new Promise((resolve, reject) => {
    core.check()
    core.pipeline.append([], facts, (error) => {
      if (error === null) resolve()
      else reject(error)
    })
  })
}
