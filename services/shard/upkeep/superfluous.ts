/** What of one sealed segment may go: dead bodies, bodies that were never referred to, facts that others overtook, facts of expunged messages. Reads it once. */
import { errorCode } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import type { MessageName } from '../index/port.ts'
import { LogError } from '../log/errors.ts'
import { LsnSet } from '../log/lsn-set.ts'
import type { LogRecord, ShardLog } from '../log/types.ts'
import { decodeRecord } from '../records/codec.ts'
import { RecordType, type ShardRecord } from '../records/types.ts'
import type { ExpungedFacts } from './expunged-facts.ts'
import type { Marks } from './marks.ts'
import { OvertakenFacts } from './overtaken.ts'
import { GivenUp, type Pace } from './pace.ts'

export interface SuperfluousOptions {
  readonly log: Pick<ShardLog, 'scan'>
  readonly segment: { readonly firstLsn: number; readonly nextLsn: number }
  readonly marks: Marks
  /** Of the record at the horizon: bodies of an earlier epoch have all the references that they will ever have. */
  readonly epoch: number
  /** Facts of expunged messages that nobody needs. */
  readonly expunged: ExpungedFacts
  readonly pace: Pace
}

export interface Superfluous {
  readonly gone: LsnSet
  /** Expunged messages whose facts and bodies go with it: the index may forget them. */
  readonly forgotten: readonly MessageName[]
}

const PACE_BYTES = 1024 * 1024

/** @returns Null: given up. @throws {LogError} LOG_ROTTEN_RECORD if it must be repaired first */
export async function superfluousIn(options: SuperfluousOptions): Promise<Superfluous | null> {
  const { log, segment, marks, epoch, expunged, pace } = options
  const gone = new LsnSet()
  const overtaken = new OvertakenFacts((lsn) => gone.add(lsn))
  const forgotten: MessageName[] = []
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
        if (expunged.mayGo(lsn, fact)) {
          gone.add(lsn)
          // One whose dead body stays elsewhere is remembered: only its row says that the body is dead.
          forgotten.push(...forgettable(fact, (body) => gone.has(body) || !marks.isDead(body)))
        }
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
  return { gone, forgotten }
}

function forgettable(fact: ShardRecord, needsNoRow: (body: Lsn) => boolean): MessageName[] {
  if (fact.type !== RecordType.messagesAdd) return []
  const { mailbox, messages } = fact
  return messages.filter(({ body }) => body.lsns.every(needsNoRow)).map(({ uid }) => ({ mailbox, uid }))
}
