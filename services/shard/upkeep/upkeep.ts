/**
 * Upkeep of one replica's log in the background: marks what nobody needs, writes segments anew without it, scrubs, fills the reserve. Each
 * replica does it by itself, in every role. `decide.ts` says what comes next; one thing runs at a time, in small steps.
 *
 * Invariants: nothing above the horizon of rule 10 is looked at, and only segments that lie below it as a whole are written anew; a full
 * disk ends one step, never the log; what fails here for another reason is told and tried again later.
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { MessageName, ShardIndex } from '../index/port.ts'
import { type Compacted, deadBytes, type Needs } from '../log/compact.ts'
import type { EpochStart } from '../log/epochs.ts'
import type { Segment } from '../log/segments.ts'
import type { AppendedRange, ShardLog } from '../log/types.ts'
import { DELIVERY_MEMORY_MS, RecordType } from '../records/types.ts'
import {
  decideUpkeep,
  type SegmentFacts,
  spaceState,
  UPKEEP_POLICY,
  type UpkeepAction,
  type UpkeepPolicy,
} from './decide.ts'
import { ExpungedFacts } from './expunged-facts.ts'
import { type Follower, horizon, LAG_LIMITS, type LagLimits } from './horizon.ts'
import {
  COMPACT_BYTES_PER_SECOND,
  COMPACT_BYTES_PER_SECOND_WHEN_FULL,
  FORGET_ROWS,
  LOOK_MS,
  MARK_PAUSE_MS,
  SCRUB_BYTES_PER_SECOND,
} from './limits.ts'
import { type Marks, markBodies } from './marks.ts'
import { type Pace, Pacer } from './pace.ts'
import type { Reserve } from './reserve.ts'
import { type ScrubFile, type ScrubState, scrubRecords } from './scrub.ts'
import { superfluousIn } from './superfluous.ts'

/** What upkeep needs of a log. */
export interface KeptLog extends ShardLog {
  readonly sealed: readonly Segment[]
  epochs(): readonly EpochStart[]
  offsetsOf(segment: Segment): Promise<Uint32Array>
  wallMsAt(lsn: Lsn): Promise<number>
  compact(segment: Segment, needs: Needs, pace: Pace): Promise<Compacted>
}

/** What the replica knows, asked before each decision. */
export interface UpkeepSurroundings {
  readonly commit: number
  /** What the index holds even after a crash. */
  readonly indexLsn: number
  readonly followers: readonly Follower[]
  readonly freeBytes: number
  readonly totalBytes: number
}

export type UpkeepNotice =
  | { readonly kind: 'marked'; readonly horizon: number; readonly deadBytes: number }
  | {
      readonly kind: 'compacted'
      readonly firstLsn: number
      readonly droppedRecords: number
      readonly bytesBefore: number
      readonly bytesAfter: number
    }
  | { readonly kind: 'not-compacted'; readonly firstLsn: number; readonly why: string }
  | { readonly kind: 'scrubbed'; readonly upTo: number; readonly rotten: number }
  | { readonly kind: 'needs-full-copy'; readonly names: readonly string[] }
  | { readonly kind: 'reserve-filled' }
  | { readonly kind: 'failed'; readonly what: string; readonly why: string }

export interface UpkeepOptions {
  readonly log: KeptLog
  readonly index: ShardIndex
  readonly clock: Clock
  readonly surroundings: () => UpkeepSurroundings
  readonly scrubFile: ScrubFile
  /** Null: none is kept. */
  readonly reserve: Reserve | null
  readonly onNotice: (notice: UpkeepNotice) => void
  readonly policy?: UpkeepPolicy
  readonly lagLimits?: LagLimits
  readonly lookMs?: number
}

/** For metrics and status. */
export interface UpkeepCounts {
  readonly compactedSegments: number
  readonly droppedRecords: number
  readonly freedBytes: number
  /** What the last mark found and is not freed yet. */
  readonly deadBytes: number
  readonly horizon: number
  readonly lastScrubMs: number | null
  readonly scrubRotten: number
  readonly reserveMissingBytes: number
  readonly needFullCopy: readonly string[]
}

interface Mark {
  readonly atMs: number
  readonly marks: Marks
}

export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #pacer: Pacer
  readonly #policy: UpkeepPolicy
  #mark: Mark | null = null
  /** Of the last mark, without what was written anew since or must wait for the next one. */
  #candidates: SegmentFacts[] = []
  #scrub: ScrubState = { lastFullMs: null, nextLsn: null }
  #scrubRotten = 0
  #roundRotten = 0
  #compactedSegments = 0
  #droppedRecords = 0
  #freedBytes = 0
  #horizon = 0
  #needFullCopy: readonly string[] = []
  #running: Promise<void> | null = null

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#pacer = new Pacer(options.clock)
    this.#policy = options.policy ?? UPKEEP_POLICY
  }

  get counts(): UpkeepCounts {
    return {
      compactedSegments: this.#compactedSegments,
      droppedRecords: this.#droppedRecords,
      freedBytes: this.#freedBytes,
      deadBytes: this.#candidates.reduce((sum, { deadBytes }) => sum + deadBytes, 0),
      horizon: this.#horizon,
      lastScrubMs: this.#scrub.lastFullMs,
      scrubRotten: this.#scrubRotten,
      reserveMissingBytes: this.#options.reserve?.missingBytes ?? 0,
      needFullCopy: this.#needFullCopy,
    }
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Ends what is under way; unfinished files are removed. */
  async stop(): Promise<void> {
    this.#pacer.stop()
    await this.#running
  }

  async #run(): Promise<void> {
    const { scrubFile, lookMs = LOOK_MS } = this.#options
    try {
      this.#scrub = await scrubFile.read()
    } catch (error) {
      this.#tellFailure('read where the scrub stands', error)
    }
    while (await this.#pacer.wait(lookMs)) {
      for (let busy = true; busy && !this.#pacer.stopped; ) busy = await this.#step()
    }
  }

  /** @returns False: nothing is to be done, or it failed */
  async #step(): Promise<boolean> {
    const action = this.#decide()
    try {
      return await this.#carryOut(action)
    } catch (error) {
      this.#tellFailure(action.kind, error)
      return false
    }
  }

  #decide(): UpkeepAction {
    const { clock, surroundings, log, reserve } = this.#options
    const { commit, indexLsn, followers, freeBytes, totalBytes } = surroundings()
    const facts = { commit, indexLsn, followers, durable: log.durableLsn, logBytes: log.sizeBytes() }
    const { lsn, needFullCopy } = horizon({ ...facts, limits: this.#options.lagLimits ?? LAG_LIMITS })
    this.#horizon = lsn
    if (needFullCopy.join() !== this.#needFullCopy.join()) {
      this.#needFullCopy = needFullCopy
      if (needFullCopy.length > 0) this.#tell({ kind: 'needs-full-copy', names: needFullCopy })
    }
    return decideUpkeep({
      policy: this.#policy,
      nowMs: clock.monotonicMs(),
      wallMs: clock.nowMs(),
      freeShare: totalBytes > 0 ? freeBytes / totalBytes : null,
      freeBytes,
      horizon: lsn,
      mark: this.#mark === null ? null : { atMs: this.#mark.atMs, horizon: this.#mark.marks.horizon },
      segments: this.#candidates,
      scrub: { lastFullMs: this.#scrub.lastFullMs, underWay: this.#scrub.nextLsn !== null },
      reserveMissingBytes: reserve?.missingBytes ?? 0,
      reserveFileBytes: reserve?.fileBytes ?? 0,
    })
  }

  #carryOut(action: UpkeepAction): Promise<boolean> {
    switch (action.kind) {
      case 'mark':
        return this.#markAll(action.retentionMs)
      case 'compact':
        return this.#compact(action.firstLsn)
      case 'scrub':
        return this.#scrubNext()
      case 'refill-reserve':
        return this.#refill()
      case 'rest':
        return Promise.resolve(false)
      default:
        return action satisfies never
    }
  }

  async #markAll(retentionMs: number): Promise<boolean> {
    const { log, index, clock } = this.#options
    const atMs = clock.monotonicMs()
    // What is applied now is at or above the horizon: the walk may begin.
    const upTo = await lastBefore(log, Math.min(this.#horizon, index.appliedLsn), clock.nowMs() - retentionMs)
    const marks = await markBodies(index, upTo, () => this.#pacer.wait(MARK_PAUSE_MS))
    if (marks === null) return false
    this.#mark = { atMs, marks }
    this.#candidates = []
    for (const segment of [...log.sealed]) {
      const { firstLsn, nextLsn, sizeBytes } = segment
      if (nextLsn - 1 > upTo) break
      const dead = deadBytes(segment, await log.offsetsOf(segment), (lsn) => marks.isDead(lsn))
      if (dead > 0) this.#candidates.push({ firstLsn, nextLsn, sizeBytes, deadBytes: dead })
      if (!(await this.#pacer.wait(MARK_PAUSE_MS))) return false
    }
    this.#tell({ kind: 'marked', horizon: upTo, deadBytes: this.counts.deadBytes })
    return true
  }

  async #compact(firstLsn: number): Promise<boolean> {
    const { log, index, clock } = this.#options
    // Tried once per mark, whatever comes of it.
    this.#candidates = this.#candidates.filter((candidate) => candidate.firstLsn !== firstLsn)
    const segment = log.sealed.find((one) => one.firstLsn === firstLsn)
    const marks = this.#mark?.marks
    if (segment === undefined || marks === undefined || segment.nextLsn - 1 > marks.horizon) return true
    const pace = this.#pacer.at(() => this.#bytesPerSecond())
    const epoch = log.epochs().findLast((start) => start.latestLsn <= marks.horizon)?.epoch ?? 0
    try {
      const expunged = new ExpungedFacts({
        horizon: marks.horizon,
        expungedLsn: (message) => index.expungedLsn(message),
        deliveriesFromMs: clock.nowMs() - DELIVERY_MEMORY_MS,
        jumps: await jumpsUpTo(log, marks.horizon),
      })
      const superfluous = await superfluousIn({ log, segment, marks, epoch, expunged, pace })
      if (superfluous === null) return false
      const { gone, forgotten } = superfluous
      const needs = { horizon: marks.horizon, mayGo: (lsn: number) => gone.has(lsn) }
      const result = await log.compact(segment, needs, pace)
      this.#told(segment, result)
      if (result.kind === 'made') await this.#forget(forgotten)
    } catch (error) {
      if (errorCode(error) !== 'LOG_ROTTEN_RECORD') throw error
      this.#tell({ kind: 'not-compacted', firstLsn, why: errorMessage(error) })
    }
    return true
  }

  async #forget(messages: readonly MessageName[]): Promise<void> {
    const { index } = this.#options
    for (let at = 0; at < messages.length; at += FORGET_ROWS) {
      if (at > 0 && !(await this.#pacer.wait(MARK_PAUSE_MS))) return
      index.forgetExpunged(messages.slice(at, at + FORGET_ROWS))
    }
  }

  #told(segment: Segment, result: Compacted): void {
    const { firstLsn, sizeBytes: bytesBefore } = segment
    if (result.kind !== 'made') {
      this.#tell({ kind: 'not-compacted', firstLsn, why: result.kind })
      return
    }
    const { droppedRecords } = result
    const bytesAfter = result.segment.sizeBytes
    this.#compactedSegments++
    this.#droppedRecords += droppedRecords
    this.#freedBytes += bytesBefore - bytesAfter
    this.#tell({ kind: 'compacted', firstLsn, droppedRecords, bytesBefore, bytesAfter })
  }

  #bytesPerSecond(): number {
    const { freeBytes, totalBytes } = this.#options.surroundings()
    const full = totalBytes > 0 && spaceState(freeBytes / totalBytes) === 'full'
    return full ? COMPACT_BYTES_PER_SECOND_WHEN_FULL : COMPACT_BYTES_PER_SECOND
  }

  /** One segment, or the end of the round. */
  async #scrubNext(): Promise<boolean> {
    const { log, scrubFile, clock } = this.#options
    const from = this.#scrub.nextLsn ?? 1
    if (this.#scrub.nextLsn === null) this.#roundRotten = 0
    const segment = log.sealed.find(({ nextLsn }) => nextLsn > from)
    if (segment === undefined) {
      this.#scrub = { lastFullMs: clock.nowMs(), nextLsn: null }
      await scrubFile.write(this.#scrub)
      this.#tell({ kind: 'scrubbed', upTo: from - 1, rotten: this.#roundRotten })
      return true
    }
    const range = { first: Math.max(from, segment.firstLsn), last: segment.nextLsn - 1 }
    const { rotten, whole } = await scrubRecords(
      log,
      range,
      this.#pacer.at(() => SCRUB_BYTES_PER_SECOND),
    )
    this.#scrubRotten += rotten
    this.#roundRotten += rotten
    if (!whole) return false
    this.#scrub = { ...this.#scrub, nextLsn: segment.nextLsn }
    await scrubFile.write(this.#scrub)
    return true
  }

  async #refill(): Promise<boolean> {
    const { reserve } = this.#options
    if (reserve === null) return false
    await reserve.refill(this.#pacer.at(() => SCRUB_BYTES_PER_SECOND))
    if (reserve.missingBytes === 0) this.#tell({ kind: 'reserve-filled' })
    return !this.#pacer.stopped
  }

  #tell(notice: UpkeepNotice): void {
    this.#options.onNotice(notice)
  }

  #tellFailure(what: string, error: unknown): void {
    this.#tell({ kind: 'failed', what, why: `${errorCode(error) ?? ''} ${errorMessage(error)}`.trim() })
  }
}

/** Where recovery jumps are or may be: each is the second record of its epoch. */
async function jumpsUpTo(log: KeptLog, horizon: number): Promise<AppendedRange[]> {
  const jumps: AppendedRange[] = []
  for (const { firstLsn, latestLsn } of log.epochs()) {
    const [first, last] = [toLsn(firstLsn + 1), toLsn(latestLsn + 1)]
    if (first <= horizon && (first < last || (await mayBeJump(log, first)))) jumps.push({ first, last })
  }
  return jumps
}

async function mayBeJump(log: KeptLog, lsn: Lsn): Promise<boolean> {
  try {
    return (await log.read(lsn)).type === RecordType.recoveryJump
  } catch (error) {
    if (errorCode(error) === 'LOG_DROPPED_RECORD') return false
    if (errorCode(error) === 'LOG_ROTTEN_RECORD') return true
    throw error
  }
}

/** The last LSN up to `upTo` that was made at `wallMs` or before, 0 if there is none; where rot hides the time, a lower one. */
async function lastBefore(log: KeptLog, upTo: number, wallMs: number): Promise<number> {
  let low = 0
  let high = upTo
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (await isBefore(log, middle, wallMs)) low = middle
    else high = middle - 1
  }
  return low
}

async function isBefore(log: KeptLog, lsn: number, wallMs: number): Promise<boolean> {
  try {
    return (await log.wallMsAt(toLsn(lsn))) <= wallMs
  } catch (error) {
    if (errorCode(error) === 'LOG_ROTTEN_RECORD') return false
    throw error
  }
}
