/**
 * Feeds the text index from the log, behind commit and as fast as the process can spare (pace.ts). What it feeds is
 * what the index of the shard has on disk, so it never passes commit, on the primary as on the mirror, nor that index after a
 * crash. A crash, an error or a rebuild means: on from the LSN that the text index has committed.
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import { toLsn } from '#lib/mail/types.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import type { LogRecord, ShardLog } from '../log/types.ts'
import { decodeRecord } from '../records/codec.ts'
import { type NewMessage, RecordType } from '../records/types.ts'
import { BETWEEN_STEPS_MS, FEED_IDLE_MS, FEED_RETRY_MS, FEED_STEP_LSNS, INDEXED_LETTER_BYTES_MAX } from './limits.ts'
import { Pace } from './pace.ts'
import type { TextIndexWriter } from './port.ts'

export interface FeederOptions {
  readonly log: Pick<ShardLog, 'scan' | 'read'>
  readonly text: TextIndexWriter
  /** Up to where the index of the shard is on disk. */
  readonly indexedLsn: () => number
  /** False: the volume is too full for what can be done later. */
  readonly mayGrow: () => boolean
  /** Share of the time that the process was at work since it was last asked, from 0 to 1. */
  readonly load: () => number
  readonly clock: Clock
  /** It is tried again later. */
  readonly onFailure: (error: Error) => void
}

export interface TextFeeder {
  /** Resolves when nothing runs any more. */
  stop(): Promise<void>
}

/** Letters that compaction has dropped, or that are damaged and being mended: nobody can search in them now. */
const UNREADABLE: ReadonlySet<string> = new Set(['LOG_NO_SUCH_RECORD', 'LOG_DROPPED_RECORD', 'LOG_ROTTEN_RECORD'])

export function startTextFeeder(options: FeederOptions): TextFeeder {
  const { text, indexedLsn, mayGrow, load, clock, onFailure } = options
  let stopped = false
  let cancel = () => {}
  let underWay: Promise<void> = Promise.resolve()
  const pace = new Pace(load, clock.monotonicMs())
  const rest = (workedMs: number) => pace.rest(workedMs, clock.monotonicMs())
  const round = async (): Promise<number> => {
    const target = indexedLsn()
    if (text.appliedLsn >= target || !mayGrow()) return FEED_IDLE_MS
    await feedStep(options, Math.min(target, text.appliedLsn + FEED_STEP_LSNS), rest, () => stopped)
    return BETWEEN_STEPS_MS // it has rested after each piece of work
  }
  const after = (ms: number) => {
    if (stopped) return
    cancel = clock.after(ms, () => {
      underWay = round()
        .catch((error: unknown) => {
          if (!stopped) onFailure(error instanceof Error ? error : new Error(String(error)))
          return FEED_RETRY_MS
        })
        .then(after)
    })
  }
  after(0)
  return {
    async stop() {
      stopped = true
      cancel()
      await underWay
    },
  }
}

interface NewLetter {
  readonly account: string
  readonly message: NewMessage
}

/** One step, up to `to`; nothing of it counts if it is stopped in the middle. @param rest How long, after so much work. */
export async function feedStep(
  options: FeederOptions,
  to: number,
  rest: (workedMs: number) => number,
  stopped: () => boolean,
): Promise<void> {
  const { log, text, clock } = options
  const letters: NewLetter[] = []
  await log.scan(toLsn(text.appliedLsn + 1), toLsn(to), { bodies: false }, (record) => {
    letters.push(...lettersOf(record))
  })
  for (const { account, message } of await unknownOf(text, letters)) {
    if (stopped()) return
    const beganMs = clock.monotonicMs()
    const letter = await read(log, message)
    if (letter === 'gone') continue
    await text.add(account, message.emailId, letter)
    await sleep(clock, rest(clock.monotonicMs() - beganMs))
  }
  if (stopped()) return
  // Here the index merges what it has: with many letters as much work as taking them in.
  const beganMs = clock.monotonicMs()
  await text.commit(to)
  await sleep(clock, rest(clock.monotonicMs() - beganMs))
}

const WITH_LETTERS: ReadonlySet<number> = new Set([
  RecordType.messagesAdd,
  RecordType.messagesMove,
  RecordType.copyMessages,
])

function lettersOf({ type, meta }: LogRecord): NewLetter[] {
  if (!WITH_LETTERS.has(type)) return []
  const record = decodeRecord(type, meta)
  if (!('messages' in record)) return []
  const { account } = record
  return record.messages.map((message) => ({ account, message }))
}

/** Copies of what is there are left out. */
async function unknownOf(text: TextIndexWriter, letters: readonly NewLetter[]): Promise<NewLetter[]> {
  const byAccount = Map.groupBy(letters, ({ account }) => account)
  const unknown: NewLetter[] = []
  for (const [account, own] of byAccount) {
    const byId = new Map(own.map((letter) => [letter.message.emailId, letter]))
    for (const id of await text.missing(account, [...byId.keys()])) {
      const letter = byId.get(id)
      if (letter !== undefined) unknown.push(letter)
    }
  }
  return unknown
}

/** Null: too large to be read for this. */
async function read(
  log: Pick<ShardLog, 'read'>,
  { headerBlock, body }: NewMessage,
): Promise<Uint8Array | null | 'gone'> {
  if (headerBlock.byteLength + body.sizeBytes > INDEXED_LETTER_BYTES_MAX) return null
  const pieces: Uint8Array[] = [headerBlock]
  try {
    for (const lsn of body.lsns) pieces.push((await log.read(lsn)).body)
  } catch (error) {
    if (UNREADABLE.has(errorCode(error) ?? '')) return 'gone'
    throw error
  }
  return Buffer.concat(pieces)
}
