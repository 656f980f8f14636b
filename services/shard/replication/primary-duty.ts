/**
 * One term of office as primary: gathers the facts, lets `../roles/decide-primary.ts` decide and carries the action out. It ends with
 * the term; taking up and stepping down are the machine's.
 */
import type { Epoch, Lsn } from '#lib/mail/types.ts'
import type { Change } from '../ledger/agent.ts'
import type { LedgerEntry, LedgerReplica } from '../ledger/types.ts'
import { encodeRecord } from '../records/codec.ts'
import { RecordType, type ShardRecord } from '../records/types.ts'
import { decidePrimary, type PrimaryAction, type PrimaryChange, type PrimaryFacts } from '../roles/decide-primary.ts'
import { abandoned, grown, handedOver, kept, shrunk } from '../roles/entries.ts'
import type { LogEnd } from '../roles/log-end.ts'
import { jumpOf } from '../roles/recovery-jump.ts'
import { TICK_MS } from './limits.ts'
import type { MachineParts } from './machine-parts.ts'
import type { ReplicaLog } from './ports.ts'
import type { PrimarySide } from './primary-side.ts'

/** A look that comes so much later than a tick follows a pause of this process, or a machine without processor to spare. */
const LATE_MS = 4 * TICK_MS

export interface PrimaryDutyOptions {
  readonly parts: MachineParts
  /** Of this term. */
  readonly epoch: Epoch
  readonly side: PrimarySide
  /** Begins to end the term. */
  readonly stepDown: (phase: string) => void
}

export class PrimaryDuty {
  readonly epoch: Epoch
  readonly side: PrimarySide
  readonly #parts: MachineParts
  readonly #stepDown: (phase: string) => void
  #begunLsn: Lsn | null = null
  #jumped = false
  #heardHigher = 0
  #actedMs: number
  /** Of a look that came late, until the one after it. */
  #blindMs: number | null = null

  constructor({ parts, epoch, side, stepDown }: PrimaryDutyOptions) {
    this.epoch = epoch
    this.side = side
    this.#parts = parts
    this.#stepDown = stepDown
    this.#actedMs = parts.options.clock.monotonicMs()
  }

  /** The epoch's first record is committed. */
  get begun(): boolean {
    return this.#begunLsn !== null && this.side.commit >= this.#begunLsn
  }

  /** The epoch began by force: UIDs and MODSEQs were passed over. */
  get jumped(): boolean {
    return this.#jumped
  }

  /** The peer dialled as primary of a higher epoch: a fact for the next decision. */
  hear(epoch: Epoch): void {
    this.#heardHigher = Math.max(this.#heardHigher, epoch)
  }

  /** Decides once and begins what was decided; nothing on the first look after a pause. */
  act(): void {
    if (this.#blind()) return
    this.#readLedger()
    this.#carryOut(decidePrimary(this.#facts()))
  }

  #facts(): PrimaryFacts {
    const { options, times, agent, desk, disk, handover } = this.#parts
    return {
      self: options.self.id,
      mayHold: agent.mayHold,
      ledger: agent.health,
      swapping: desk.swapping,
      epoch: this.epoch,
      heardEpoch: Math.max(this.side.heardEpoch, this.#heardHigher),
      disk: disk.state,
      begun: this.#begunLsn !== null,
      // Once the epoch has begun its chain goes on in memory, whatever rots.
      end: this.#begunLsn === null ? endOf(options.log) : 'good',
      mirror: this.side.mirrorFacts(),
      silentMs: this.side.silentMs,
      inOfficeMs: Math.min(this.side.inOfficeMs, handover.calmMs),
      request: handover.requested ? 'switchover' : 'none',
      drainingMs: handover.drainingMs,
      times,
    }
  }

  /** After a pause of this process what came meanwhile is read before anything is made of the silence: the next look decides. */
  #blind(): boolean {
    const nowMs = this.#parts.options.clock.monotonicMs()
    const late = nowMs - this.#actedMs > LATE_MS
    this.#actedMs = nowMs
    const blind = this.#blindMs === null ? late : nowMs - this.#blindMs < TICK_MS
    this.#blindMs = blind ? (this.#blindMs ?? nowMs) : null
    return blind
  }

  #carryOut(action: PrimaryAction): void {
    const { agent, desk, handover, say, poke, stopFor } = this.#parts
    switch (action.kind) {
      case 'none':
        say(action.phase ?? 'primary, both members in sync')
        return
      case 'begin-epoch':
        this.#beginEpoch()
        return
      case 'swap':
        this.#swap(action.change, action.phase)
        return
      case 'require-mirror':
        this.side.requireMirror()
        return
      case 'release-mirror':
        say(action.phase)
        this.side.release()
        return
      case 'ask-ready':
        this.side.askReady()
        return
      case 'drain':
        say(action.phase)
        handover.drain()
        poke()
        return
      case 'resume':
        say(action.phase)
        handover.resume(action.phase)
        return
      case 'make-ledger-anew': {
        const base = agent.base
        if (base === null || !desk.due) return
        const phase = 'making the lost ledger anew'
        say(phase)
        desk.swap('make-anew', phase, () => agent.makeAnew(kept(base)))
        return
      }
      case 'step-down':
        this.#stepDown(action.phase)
        return
      case 'stop':
        stopFor(action.code, action.phase)
        return
      default:
        action satisfies never
    }
  }

  #swap(change: PrimaryChange, phase: string): void {
    const { agent, desk, say } = this.#parts
    const base = agent.base
    if (base === null || !desk.due) return
    const to = changeOf(change, base, this.side.mirror)
    if (to === null) return
    say(phase)
    desk.swap(change, phase, () => agent.swap(base, to))
  }

  #beginEpoch(): void {
    const { options, disk, notes, poke, say } = this.#parts
    const { log, self, clock } = options
    if (log.rotten.some(({ last }) => last >= log.lastLsn)) {
      say(
        `taking up office: record ${log.lastLsn} is rotten, what comes next must follow from it; asking the other member`,
      )
      return
    }
    const records: ShardRecord[] = [{ type: RecordType.epochStart, replica: self.id, bootId: self.bootId }]
    const { jumpUids } = notes.note
    if (jumpUids > 0) records.push({ type: RecordType.recoveryJump, ...jumpOf(jumpUids, clock.nowMs()) })
    if (log.endInDoubt) options.onNotice?.({ kind: 'end-in-doubt', lsn: log.lastLsn })
    log.trustEnd()
    try {
      this.#begunLsn = log.append(records.map((record) => ({ type: record.type, meta: encodeRecord(record) }))).last
      this.#jumped = jumpUids > 0
    } catch (error) {
      disk.fail(error)
    }
    poke()
  }

  /** A primary looks at the ledger now and then: somebody may have promoted the other by force. */
  #readLedger(): void {
    const { options, times, agent, desk } = this.#parts
    const good = agent.health === 'good' && agent.settled
    const ageMs = options.clock.monotonicMs() - (agent.readAtMs ?? 0)
    if (!good || ageMs > times.lookMs * 5) desk.read(times.lookMs)
  }
}

/** Whether the own log ends with all that was acknowledged, as far as this replica can tell. */
export function endOf(log: ReplicaLog): LogEnd {
  if (log.rotten.some(({ last }) => last >= log.lastLsn)) return 'rotten'
  return log.endInDoubt ? 'in-doubt' : 'good'
}

/** What the change writes, or null when the mirror that it needs is not known any more. */
function changeOf(change: PrimaryChange, base: LedgerEntry, mirror: LedgerReplica | null): Change | null {
  switch (change) {
    case 'shrink':
      return shrunk(base)
    case 'keep':
      return kept(base)
    case 'grow':
      return mirror && grown(base, mirror)
    case 'hand-over':
      return mirror && handedOver(base, mirror)
    case 'abandon':
      return mirror && abandoned(base, mirror)
    default:
      return change satisfies never
  }
}
