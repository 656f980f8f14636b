/**
 * Brings what a shard commits into an archive, as long as this replica is its primary. It is no part of any promise to a client: what
 * fails is told and tried again.
 *
 * Invariants: only what is committed is written; a generation is only added to by who finds its own record at the generation's end, so a
 * history that was given up (forced recovery) begins a new one; an older generation goes only when `catalogue.ts` says that a newer one
 * is complete for long enough. Another primary may write at the same time for a moment: its pieces hold the same records.
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { logIdentity } from '../log/format.ts'
import type { RawBatch, ReplicaLog } from '../log/replica-log.ts'
import { type Pace, Pacer } from '../upkeep/pace.ts'
import type { Archive } from './archive.ts'
import {
  baseName,
  CHAIN_DIGITS,
  generationName,
  isBase,
  pieceName,
  reachOf,
  shardFolder,
  superfluous,
} from './catalogue.ts'
import { listGenerations } from './generations.ts'
import { AGAIN_AFTER_MS, BASE_BYTES_PER_SECOND, PIECE_BYTES, READ_BYTES } from './limits.ts'
import { encodePiece } from './piece.ts'
import type { Seal } from './seal.ts'
import { type Slice, sliceBatch } from './slice.ts'

export interface BackupPolicy {
  /** So much mail a loss of both members costs at most, beyond the time that writing takes. */
  readonly everyMs: number
  /** A new generation is begun so often. */
  readonly baseEveryMs: number
  /** How far back somebody may want to go. */
  readonly keepMs: number
}

export type BackupNotice =
  | { readonly kind: 'generation-begun'; readonly generation: string; readonly why: string }
  | { readonly kind: 'generation-complete'; readonly generation: string; readonly lsn: number }
  | { readonly kind: 'generation-removed'; readonly generation: string }
  | { readonly kind: 'failed'; readonly code: string | null; readonly why: string }

export interface BackupKeeperOptions {
  readonly shard: ShardName
  readonly log: Pick<ReplicaLog, 'tag' | 'readRaw' | 'chainAt'>
  readonly archive: Archive
  readonly seal: Seal
  readonly clock: Clock
  readonly policy: BackupPolicy
  /** Null: this replica is not primary, somebody else writes. */
  readonly commit: () => Lsn | null
  readonly onNotice: (notice: BackupNotice) => void
}

/** For metrics. */
export interface BackupCounts {
  /** Highest LSN that is in the archive, as known here; 0: not known. */
  readonly savedLsn: number
  /** When everything committed was in the archive last; null: not since this replica is primary. */
  readonly savedMs: number | null
  readonly failures: number
}

interface Cursor {
  readonly generation: string
  next: number
  readonly begunMs: number
  complete: boolean
}

export class BackupKeeper {
  readonly #options: BackupKeeperOptions
  readonly #pacer: Pacer
  readonly #folder: string
  /** The generation that has everything. Null: not looked for since this replica is primary. */
  #current: Cursor | null = null
  /** A new one, as long as it is behind. */
  #fresh: Cursor | null = null
  #savedMs: number | null = null
  #failures = 0
  /** When what is new is written next, on the monotonic clock. */
  #dueMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> = Promise.resolve()

  constructor(options: BackupKeeperOptions) {
    this.#options = options
    this.#pacer = new Pacer(options.clock)
    this.#folder = shardFolder(options.shard)
  }

  get counts(): BackupCounts {
    return { savedLsn: (this.#current?.next ?? 1) - 1, savedMs: this.#savedMs, failures: this.#failures }
  }

  /** Asked each time: an empty log takes that of the primary which it becomes a mirror of. */
  get #tag(): string {
    return Buffer.from(this.#options.log.tag).toString('hex')
  }

  start(): void {
    this.#running = this.#run()
  }

  /** What is being written is given up; it is written again by whoever is primary next. */
  async stop(): Promise<void> {
    this.#pacer.stop()
    await this.#running
  }

  async #run(): Promise<void> {
    let waitMs = this.#options.policy.everyMs
    while (await this.#pacer.wait(waitMs)) {
      try {
        await this.#round()
        waitMs = this.#fresh ? 0 : this.#untilDueMs()
      } catch (error) {
        this.#failures++
        this.#forget()
        waitMs = Math.max(AGAIN_AFTER_MS, this.#options.policy.everyMs)
        this.#options.onNotice({ kind: 'failed', code: errorCode(error) ?? null, why: errorMessage(error) })
      }
    }
  }

  #untilDueMs(): number {
    return Math.max(0, this.#dueMs - this.#options.clock.monotonicMs())
  }

  async #round(): Promise<void> {
    const commit = this.#options.commit()
    if (commit === null) return this.#forget()
    if (commit === 0) return
    this.#current ??= await this.#find(commit)
    if (this.#current === null) return
    const { clock, policy } = this.#options
    // While a new generation is written there is a round after each of its pieces: what is new is no more urgent for that.
    if (this.#untilDueMs() <= 0) {
      this.#dueMs = clock.monotonicMs() + policy.everyMs
      if (!(await this.#extend(this.#current, commit, UNHURRIED))) return
      if (this.#current.complete || (await this.#completed(this.#current, commit))) this.#savedMs = clock.nowMs()
    }
    if (this.#current.complete && this.#fresh === null && clock.nowMs() - this.#current.begunMs >= policy.baseEveryMs) {
      this.#fresh = this.#begin('the last one is old enough')
    }
    if (this.#fresh !== null) await this.#extendFresh(this.#fresh)
  }

  /** A part of the new generation; when it has caught up it takes the place of the one before. */
  async #extendFresh(fresh: Cursor): Promise<void> {
    const commit = this.#options.commit()
    if (commit === null) return this.#forget()
    const slow = this.#pacer.at(() => BASE_BYTES_PER_SECOND)
    const to = toLsn(Math.min(commit, (this.#current?.next ?? 1) - 1))
    const done = await this.#extend(fresh, to, slow, 1)
    if (!done || fresh.next <= to) return
    if (!(await this.#completed(fresh, to))) return
    this.#current = fresh
    this.#fresh = null
    await this.#sweep()
  }

  async #completed(cursor: Cursor, commit: Lsn): Promise<boolean> {
    if (cursor.next <= commit) return false
    const { archive, clock, onNotice, seal } = this.#options
    const name = `${this.#folder}/${cursor.generation}/${baseName(commit, clock.nowMs())}`
    await archive.put(name, await seal.close(name, new Uint8Array(0)))
    cursor.complete = true
    onNotice({ kind: 'generation-complete', generation: cursor.generation, lsn: commit })
    return true
  }

  async #sweep(): Promise<void> {
    const { archive, shard, clock, policy, onNotice } = this.#options
    const inUse = new Set([this.#current, this.#fresh].flatMap((cursor) => cursor?.generation ?? []))
    const all = await listGenerations(archive, shard)
    for (const { name } of superfluous(all, inUse, policy.keepMs, clock.nowMs())) {
      const folder = `${this.#folder}/${name}`
      // The mark that it is complete goes first: what is left of it after a crash is no generation to anybody.
      const objects = (await archive.list(folder)).sort((a, b) => Number(isBase(b)) - Number(isBase(a)))
      for (const object of objects) await archive.remove(`${folder}/${object}`)
      await archive.remove(folder)
      onNotice({ kind: 'generation-removed', generation: name })
    }
  }

  /** Where to go on: at the end of the generation that reaches farthest, if that end is a record of this log. Null: it is ahead, wait. */
  async #find(commit: Lsn): Promise<Cursor | null> {
    const own = (await listGenerations(this.#options.archive, this.#options.shard))
      .filter(({ tag }) => tag === this.#tag)
      .map((generation) => ({ generation, reach: reachOf(generation) }))
      .sort((a, b) => a.reach.lastLsn - b.reach.lastLsn || a.generation.begunMs - b.generation.begunMs)
    const newest = own.at(-1)
    if (newest === undefined) return this.#begin('there is none of this log')
    const { generation, reach } = newest
    if (reach.lastLsn > commit) return null
    const chain = await this.#options.log.chainAt(toLsn(reach.lastLsn))
    const end = reach.pieces.at(-1)?.chain
    if (end !== undefined && (chain === null || digitsOf(chain) !== end))
      return this.#begin('the last one ends with another history')
    return {
      generation: generation.name,
      begunMs: generation.begunMs,
      next: reach.lastLsn + 1,
      complete: generation.base !== null,
    }
  }

  #begin(why: string): Cursor {
    const { clock, onNotice } = this.#options
    const begunMs = clock.nowMs()
    const generation = generationName(begunMs, this.#tag)
    onNotice({ kind: 'generation-begun', generation, why })
    return { generation, begunMs, next: 1, complete: false }
  }

  #forget(): void {
    this.#current = null
    this.#fresh = null
    this.#savedMs = null
  }

  /** Writes pieces up to `to`. @returns False: everything is to end, or this generation cannot be continued */
  async #extend(cursor: Cursor, to: Lsn, pace: Pace, piecesMax = Infinity): Promise<boolean> {
    for (let pieces = 0; cursor.next <= to && pieces < piecesMax; pieces++) {
      let slices: Slice[]
      try {
        slices = await this.#read(cursor.next, to)
      } catch (error) {
        // Compaction took away what was not saved yet, as after a long time without the archive.
        if (errorCode(error) !== 'LOG_DROPPED_RECORD' || cursor !== this.#current) throw error
        this.#current = this.#begin('compaction has dropped what comes next')
        return false
      }
      const last = slices.at(-1)
      if (last === undefined) return true
      await this.#write(cursor, slices, last)
      if (!(await pace(slices.reduce((sum, { batch }) => sum + batch.byteCount, 0)))) return false
    }
    return true
  }

  async #read(from: number, to: Lsn): Promise<Slice[]> {
    const { log } = this.#options
    const identity = logIdentity(log.tag)
    const slices: Slice[] = []
    let bytes = 0
    for (let next = from; next <= to && bytes < PIECE_BYTES; ) {
      const batch: RawBatch = await log.readRaw(toLsn(next), READ_BYTES)
      const slice = sliceBatch(batch, identity, { from: next, to })
      if (slice === null) break
      slices.push(slice)
      bytes += slice.batch.byteCount
      next = slice.lastLsn + 1
    }
    return slices
  }

  async #write(cursor: Cursor, slices: readonly Slice[], last: Slice): Promise<void> {
    const { archive, seal, shard, log } = this.#options
    const piece = pieceName({
      first: cursor.next,
      last: last.lastLsn,
      newestMs: Math.max(...slices.map(({ lastMs }) => lastMs)),
      chain: digitsOf(last.chain),
    })
    const name = `${this.#folder}/${cursor.generation}/${piece}`
    const content = encodePiece({ shard, tag: log.tag, batches: slices.map(({ batch }) => batch) })
    await archive.put(name, await seal.close(name, content))
    cursor.next = last.lastLsn + 1
  }
}

const UNHURRIED: Pace = async () => true

const digitsOf = (chain: Uint8Array): string => Buffer.from(chain).toString('hex').slice(0, CHAIN_DIGITS)
