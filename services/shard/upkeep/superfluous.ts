/** What of one sealed segment may go: dead bodies, bodies that were never referred to, facts that others overtook. Reads it once. */
import { errorCode } from '#lib/errors/coded-error.ts'
import { toLsn } from '#lib/mail/types.ts'
import { LogError } from '../log/errors.ts'
import { LsnSet } from '../log/lsn-set.ts'
import type { LogRecord, ShardLog } from '../log/types.ts'
import { decodeRecord } from '../records/codec.ts'
import { RecordType } from '../records/types.ts'
import type { Marks } from './marks.ts'
import { OvertakenFacts } from './overtaken.ts'
import { GivenUp, type Pace } from './pace.ts'

export interface SuperfluousOptions {
  readonly log: Pick<ShardLog, 'scan'>
  readonly segment: { readonly firstLsn: number; readonly nextLsn: number }
  readonly marks: Marks
  /** Of the record at the horizon: bodies of an earlier epoch have all the references that they will ever have. */
  readonly epoch: number
  readonly pace: Pace
}

const PACE_BYTES = 1024 * 1024

/** @returns Null: given up. @throws {LogError} LOG_ROTTEN_RECORD if it must be repaired first */
export async function superfluousIn(options: SuperfluousOptions): Promise<LsnSet | null> {
  const { log, segment, marks, epoch, pace } = options
  const gone = new LsnSet()
  const overtaken = new OvertakenFacts((lsn) => gone.add(lsn))
  let unpaced = 0
  const visit = (record: LogRecord): void | Promise<void> => {
    const { lsn, type, meta } = record
    const fact = decodeRecord(type, meta)
    switch (fact.type) {
      case RecordType.body:
      case RecordType.bodyChunk:
      case RecordType.bodyEnd:
        if (marks.isDead(lsn) || (record.epoch < epoch && !marks.wasReferredTo(lsn))) gone.add(lsn)
        break
      default:
        overtaken.fact(lsn, fact)
    }
    unpaced += meta.byteLength
    if (unpaced < PACE_BYTES) return undefined
    const bytes = unpaced
    unpaced = 0
    return pace(bytes).then((may) => {
      if (!may) throw new GivenUp()
    })
  }
  for (let from = segment.firstLsn; from < segment.nextLsn; ) {
    try {
      await log.scan(toLsn(from), toLsn(segment.nextLsn - 1), { bodies: false }, visit)
      from = segment.nextLsn
    } catch (error) {
      if (error instanceof GivenUp) return null
      const lsn = error instanceof LogError ? Number(error.details['lsn']) : Number.NaN
      if (errorCode(error) !== 'LOG_ROTTEN_RECORD' || !marks.isDead(lsn)) throw error
      gone.add(lsn) // rot in what nobody needs
      from = lsn + 1
    }
  }
  return gone
}
