/**
 * Proves a shard: every record of the log can be read, every letter's body is there with its length (large ones with their
 * hash), and the index is exactly what the log says. Changes nothing. Reads the whole log: minutes for a large shard.
 */
import { createHash } from 'node:crypto'
import { BytesError } from '#lib/bytes/reader.ts'
import { CodedError, errorMessage } from '#lib/errors/coded-error.ts'
import type { Lsn } from '#lib/mail/types.ts'
import { toLsn } from '#lib/mail/types.ts'
import { LsnSet } from '../log/lsn-set.ts'
import type { AppendedRange, LogRecord, ShardLog } from '../log/types.ts'
import { type BodyEnd, decodeBodyEnd, decodeRecord } from '../records/codec.ts'
import { type BodyReference, RecordType } from '../records/types.ts'
import { CatchUpBatch } from './open.ts'
import type { BodyCursor, IndexDigest, ShardIndex } from './port.ts'
import { SqliteIndex } from './sqlite-index.ts'

export interface FsckFinding {
  readonly kind: 'log-damaged' | 'record-damaged' | 'body-missing' | 'body-damaged' | 'index-differs' | 'index-ahead'
  readonly lsn: Lsn | null
  /** For people: what is wrong and what can be done. */
  readonly words: string
}

export interface FsckReport {
  readonly ok: boolean
  readonly recordCount: number
  readonly bodyBytes: number
  readonly upTo: Lsn
  readonly findings: readonly FsckFinding[]
}

/** More would tell nobody more. */
const FINDINGS_MAX = 1_000
const ROWS_PER_STEP = 10_000
/** Younger deliveries are compared; older ones may have been swept in one index and not in the other. */
const DELIVERIES_COMPARED_MS = 6 * 24 * 60 * 60 * 1000

export interface FsckOptions {
  readonly log: ShardLog
  /** Compared if given; it must not be written meanwhile. */
  readonly index?: ShardIndex
  readonly nowMs: number
  /** An empty index for what the log says, closed at the end. Default: one in memory. */
  readonly scratch?: ShardIndex
}

export async function fsck(options: FsckOptions): Promise<FsckReport> {
  const { log, index, nowMs, scratch: rebuilt = new SqliteIndex(':memory:') } = options
  const upTo = index === undefined ? log.durableLsn : toLsn(Math.min(log.durableLsn, index.appliedLsn))
  try {
    const check = new LogCheck(rebuilt, log.horizon)
    try {
      const dropped = (run: AppendedRange) => check.dropped(run)
      await log.scan(toLsn(1), log.durableLsn, { bodies: true, dropped }, (record) => check.record(record, upTo))
      check.finish(upTo)
      check.bodiesOf(rebuilt)
      await check.largeBodies(log)
    } catch (error) {
      // The log's own words: which record cannot be read, and why. A bug of ours is not a finding.
      if (!(error instanceof CodedError)) throw error
      check.find('log-damaged', null, `${error.code}: ${errorMessage(error)}`)
    }
    if (index !== undefined && index.appliedLsn > log.durableLsn) {
      check.find(
        'index-ahead',
        index.appliedLsn,
        `The index holds LSN ${index.appliedLsn}, the log ends at ${upTo}: delete the index, it is rebuilt at the next start`,
      )
    } else if (index !== undefined && check.findings.length === 0) {
      const fromMs = nowMs - DELIVERIES_COMPARED_MS
      for (const words of differences(index.digest(fromMs), rebuilt.digest(fromMs)))
        check.find('index-differs', null, words)
    }
    const { findings, recordCount, bodyBytes } = check
    return { ok: findings.length === 0, recordCount, bodyBytes, upTo, findings }
  } finally {
    rebuilt.close()
  }
}

function differences(index: IndexDigest, rebuilt: IndexDigest): string[] {
  const kinds: (keyof IndexDigest)[] = [
    'accounts',
    'mailboxes',
    'subscriptions',
    'metadata',
    'keywords',
    'messages',
    'expunged',
    'deliveries',
    'moves',
    'queue',
  ]
  return kinds
    .filter((kind) => index[kind] !== rebuilt[kind])
    .map(
      (kind) => `The ${kind} of the index are not what the log says: delete the index, it is rebuilt at the next start`,
    )
}

class LogCheck {
  readonly findings: FsckFinding[] = []
  recordCount = 0
  bodyBytes = 0
  readonly #batch: CatchUpBatch
  /** By LSN: size of a body record plus one, 0 for other records. */
  #bodySizes = new Uint32Array(1024)
  /** What the last chunks say, by their LSN, and the letters that refer to them. */
  readonly #largeEnds = new Map<Lsn, BodyEnd>()
  readonly #large = new Map<Lsn, BodyReference>()
  readonly #dropped = new LsnSet()

  constructor(rebuilt: ShardIndex, horizon: Lsn) {
    this.#batch = new CatchUpBatch(rebuilt, horizon)
  }

  find(kind: FsckFinding['kind'], lsn: Lsn | null, words: string): void {
    if (this.findings.length < FINDINGS_MAX) this.findings.push({ kind, lsn, words })
  }

  record(record: LogRecord, upTo: Lsn): void {
    this.recordCount++
    try {
      const fact = decodeRecord(record.type, record.meta)
      switch (fact.type) {
        case RecordType.bodyEnd:
          this.#largeEnds.set(record.lsn, decodeBodyEnd(record.meta))
          this.#body(record)
          break
        case RecordType.body:
        case RecordType.bodyChunk:
          this.#body(record)
          break
        case RecordType.messagesAdd:
        case RecordType.messagesMove:
        case RecordType.copyMessages:
          for (const message of fact.messages) this.#reference(record.lsn, message.body)
          break
        case RecordType.queueAdd:
          this.#reference(record.lsn, fact.body)
          break
      }
      if (record.lsn <= upTo) this.#batch.add(record)
    } catch (error) {
      if (!(error instanceof BytesError)) throw error
      this.find('record-damaged', record.lsn, `Record ${record.lsn} of type ${record.type}: ${error.message}`)
    }
  }

  dropped({ first, last }: AppendedRange): void {
    this.#dropped.addRange(first, last)
  }

  /** Compaction may have dropped bodies of messages that are gone, and no other. */
  bodiesOf(index: ShardIndex): void {
    let at: BodyCursor | null = null
    do {
      at = index.bodyHolders(at, ROWS_PER_STEP, ({ lsns, releasedLsn }) => {
        const missing = releasedLsn === 0 ? lsns.find((lsn) => this.#dropped.has(lsn)) : undefined
        if (missing === undefined) return
        this.find(
          'body-missing',
          missing,
          `Compaction dropped the body in record ${missing}, and a message or a letter in the queue still needs it`,
        )
      })
    } while (at !== null)
  }

  /** Hashes every large letter that something refers to. */
  async largeBodies(log: ShardLog): Promise<void> {
    for (const [last, { lsns }] of this.#large) {
      if (lsns.some((part) => this.#dropped.has(part))) continue
      const sum = createHash('sha256')
      for (const part of lsns) sum.update(await log.readBody(part, 0, (this.#bodySizes[part] ?? 1) - 1))
      if (this.#largeEnds.get(last)?.sha256.compare(sum.digest()) !== 0) {
        this.find(
          'body-damaged',
          last,
          `The letter that ends in record ${last} does not have the hash it was stored with`,
        )
      }
    }
  }

  finish(upTo: Lsn): void {
    this.#batch.flush(upTo)
  }

  #body({ lsn, body }: LogRecord): void {
    if (lsn >= this.#bodySizes.length) {
      const grown = new Uint32Array(Math.max(lsn + 1, this.#bodySizes.length * 2))
      grown.set(this.#bodySizes)
      this.#bodySizes = grown
    }
    this.#bodySizes[lsn] = body.byteLength + 1
    this.bodyBytes += body.byteLength
  }

  #reference(lsn: Lsn, body: BodyReference): void {
    let sizeBytes = 0
    if (body.lsns.some((part) => this.#dropped.has(part))) return
    for (const part of body.lsns) {
      const known = this.#bodySizes[part] ?? 0
      if (known === 0) {
        this.find('body-missing', lsn, `Record ${lsn} refers to a body in record ${part}: there is none`)
        return
      }
      sizeBytes += known - 1
    }
    const last = body.lsns.at(-1)
    const end = last === undefined ? undefined : this.#largeEnds.get(last)
    if (last !== undefined && end !== undefined) this.#large.set(last, body)
    if (sizeBytes !== body.sizeBytes || (end !== undefined && end.sizeBytes !== sizeBytes)) {
      this.find('body-damaged', lsn, `Record ${lsn} refers to ${body.sizeBytes} bytes: its body has ${sizeBytes}`)
    }
  }
}
