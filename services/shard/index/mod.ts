/**
 * The index room as others see it.
 *
 *   const knownUpTo = await indexAppliedLsn(place)                         before the log is opened
 *   const { index, how } = await openIndex({ log, place })                 place: { disk, folder, rootPath } or ':memory:'
 *   const maintenance = startIndexMaintenance({ index, place, clock, onFailure })   checkpoints in a worker thread
 *   ... await maintenance.stop(); index.close()
 *   if (isIndexUnusable(error)) await putIndexAside(place)                 after a failure that the store reported
 *   const report = await fsck({ log, index, nowMs })
 */
export { type Checkpointer, WorkerCheckpointer } from './checkpointer.ts'
export { INDEX_ERRORS, IndexError } from './errors.ts'
export { type FsckFinding, type FsckReport, fsck } from './fsck.ts'
export { type IndexMaintenance, startIndexMaintenance } from './maintenance.ts'
export {
  catchUp,
  type IndexFolder,
  type IndexPlace,
  indexAppliedLsn,
  isIndexUnusable,
  type OpenedIndex,
  openIndex,
  putIndexAside,
  rebuildIndex,
} from './open.ts'
export type { IndexDigest, ShardIndex } from './port.ts'
export { SqliteIndex } from './sqlite-index.ts'
