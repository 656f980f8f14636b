/**
 * Reads a shard back out of an archive: proves every record by its checksums, its hash and the chain, and hands them on in order.
 * What is restored is a log; the index is built from it like after any other start.
 */
import { type ShardName, toLsn } from '#lib/mail/types.ts'
import { CHAIN_START, logIdentity } from '../log/format.ts'
import { proveRecords } from '../log/raw-batch.ts'
import type { RawBatch, ReplicaLog } from '../log/replica-log.ts'
import type { Archive } from './archive.ts'
import { type Generation, generationFor, isComplete, reachOf, shardFolder } from './catalogue.ts'
import { BackupError } from './errors.ts'
import { listGenerations } from './generations.ts'
import { decodePiece } from './piece.ts'
import type { Seal } from './seal.ts'
import { sliceBatch } from './slice.ts'

export interface BackupSource {
  readonly archive: Archive
  readonly seal: Seal
  readonly shard: ShardName
}

export interface BackupReport {
  readonly generation: string
  readonly records: number
  readonly lastLsn: number
  /** Wall time of the last record, ms. */
  readonly lastMs: number
  readonly bytes: number
}

/**
 * Walks what an archive holds of a shard and proves it.
 * @param untilMs A point in time: the first record that is newer, and all behind it, stays out; null: all.
 * @param visit Gets batches that follow each other from LSN 1 on; they are only valid until it resolves.
 * @throws {BackupError} BACKUP_MISSING, BACKUP_DAMAGED, BACKUP_KEY, BACKUP_FORMAT_NEWER
 */
export async function replay(
  source: BackupSource,
  untilMs: number | null,
  visit: (batch: RawBatch, tag: Uint8Array) => Promise<void> = async () => {},
): Promise<BackupReport> {
  const { shard } = source
  const generations = await listGenerations(source.archive, shard)
  const generation = generationFor(generations, untilMs)
  if (generation === null) throw nothing(shard, generations, untilMs)
  const state = { next: 1, chain: CHAIN_START, records: 0, lastMs: 0, bytes: 0 }
  for (const { name: piece } of reachOf(generation).pieces) {
    if (!(await replayPiece(source, generation, piece, untilMs ?? Infinity, state, visit))) break
  }
  const { records, lastMs, bytes } = state
  return { generation: generation.name, records, lastLsn: state.next - 1, lastMs, bytes }
}

interface ReplayState {
  next: number
  chain: Buffer
  records: number
  lastMs: number
  bytes: number
}

/** @returns False: the point in time was reached. */
async function replayPiece(
  { archive, seal, shard }: BackupSource,
  generation: Generation,
  piece: string,
  untilMs: number,
  state: ReplayState,
  visit: (batch: RawBatch, tag: Uint8Array) => Promise<void>,
): Promise<boolean> {
  const name = `${shardFolder(shard)}/${generation.name}/${piece}`
  const content = decodePiece(await seal.open(name, await archive.get(name)), name)
  if (content.shard !== shard || Buffer.from(content.tag).toString('hex') !== generation.tag) {
    throw new BackupError('BACKUP_DAMAGED', `Cannot use ${name}: it holds records of another log`)
  }
  const identity = logIdentity(content.tag)
  for (const whole of content.batches) {
    const end = whole.firstLsn + whole.recordCount - 1
    if (end < state.next) continue
    const slice = sliceBatch(whole, identity, { from: state.next, to: end, untilMs })
    if (slice === null) return false
    const { batch } = slice
    const expected = { epoch: batch.epoch, firstLsn: state.next, recordCount: batch.recordCount, chain: state.chain }
    const proved = proveRecords(Buffer.concat(batch.chunks), identity, expected)
    if (typeof proved === 'string') throw new BackupError('BACKUP_DAMAGED', `Cannot use ${name}: ${proved}`)
    await visit(batch, content.tag)
    state.next = slice.lastLsn + 1
    state.chain = proved.chain
    state.records += proved.headers.length
    state.lastMs = slice.lastMs
    state.bytes += batch.byteCount
    if (slice.lastLsn < end) return false
  }
  return true
}

/** Fills an empty log. When it resolves all is durable. @throws {BackupError} as `replay` */
export async function restoreLog(source: BackupSource, untilMs: number | null, log: ReplicaLog): Promise<BackupReport> {
  let adopted = false
  const report = await replay(source, untilMs, async (batch, tag) => {
    if (!adopted) await log.adopt(tag)
    adopted = true
    log.appendRaw(batch)
    await log.drained()
  })
  log.noteCommit(toLsn(report.lastLsn))
  return report
}

function nothing(shard: string, generations: readonly Generation[], untilMs: number | null): BackupError {
  const first = generations.filter(isComplete)[0]?.base?.atMs
  if (untilMs === null || first === undefined) {
    return new BackupError('BACKUP_MISSING', `The archive holds no complete backup of ${shard}`)
  }
  const [asked, oldest] = [new Date(untilMs).toISOString(), new Date(first).toISOString()]
  return new BackupError(
    'BACKUP_MISSING',
    `The archive cannot tell how ${shard} was at ${asked}: it goes back to ${oldest}`,
  )
}
