/**
 * Measures a rebuild of the index from sealed segments: `node services/shard/index/measure/rebuild.ts [letters] [body bytes] [expunged of 10]`.
 * Log and index in files; letters with a body and a header block to 20 mailboxes, every second one flagged, one or more of ten expunged. With the
 * third argument all are a month old, and the same is measured again after compaction.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toAccountId, toLsn, toMailboxId, toModSeq, toShardName, toUid } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { Log } from '../../log/log.ts'
import type { NewRecord } from '../../log/types.ts'
import { BODY_META, encodeRecord } from '../../records/codec.ts'
import { DELIVERY_MEMORY_MS, RecordType, type ShardRecord } from '../../records/types.ts'
import { ExpungedFacts } from '../../upkeep/expunged-facts.ts'
import { markBodies } from '../../upkeep/marks.ts'
import { superfluousIn } from '../../upkeep/superfluous.ts'
import { openIndex } from '../open.ts'
import type { MessageName } from '../port.ts'
import { SqliteIndex } from '../sqlite-index.ts'

const LETTERS = Number(process.argv[2] ?? 200_000)
const BODY_BYTES = Number(process.argv[3] ?? 4096)
/** Of ten letters. */
const EXPUNGED = Number(process.argv[4] ?? 1)
const COMPACT = process.argv[4] !== undefined
const MONTH_MS = 30 * 24 * 60 * 60 * 1000
const MAILBOXES = 20
const LETTERS_PER_APPEND = 50
const FIRST_UID_VALIDITY = 1_767_225_600

const account = toAccountId('a'.repeat(16))
const mailboxes = Array.from({ length: MAILBOXES }, (_, i) => toMailboxId(String.fromCharCode(97 + i).repeat(13)))
const body = Buffer.from(nodeRandom.bytes(BODY_BYTES))
const headerBlock = Buffer.alloc(500, 'h')

const fact = (record: ShardRecord): NewRecord => ({ type: record.type, meta: encodeRecord(record) })

function own(): ShardRecord {
  return {
    type: RecordType.accountOwn,
    account,
    generation: 1,
    quotaBytes: null,
    modSeq: toModSeq(1),
    mailboxes: mailboxes.map((id, i) => ({
      id,
      name: i === 0 ? 'INBOX' : `folder ${i}`,
      uidValidity: FIRST_UID_VALIDITY + i,
      specialUse: null,
      subscribed: false,
    })),
  }
}

/** What becomes of the n-th letter: its body, its fact, and for some a flag and an expunge. */
function letter(n: number, lsn: number): NewRecord[] {
  const mailbox = mailboxes[n % MAILBOXES] ?? toMailboxId('a'.repeat(13))
  const uid = toUid(Math.floor(n / MAILBOXES) + 1)
  const deliveryId = Buffer.from(nodeRandom.bytes(16))
  const nowMs = nodeClock.nowMs() - (COMPACT ? MONTH_MS : 0)
  deliveryId.writeUIntBE(nowMs, 0, 6)
  const message = {
    uid,
    modSeq: toModSeq(3 * n + 2),
    flags: { system: 0, keywords: [] },
    internalDateMs: nowMs,
    saveDateMs: nowMs,
    emailId: `e${String(n).padStart(15, '0')}`,
    headerBlock,
    body: { lsns: [toLsn(lsn)], sizeBytes: body.length },
  }
  const add = {
    type: RecordType.messagesAdd,
    account,
    mailbox,
    messages: [message],
    deliveryId,
    traceId: 'trace-012345678',
  }
  const records = [{ type: RecordType.body, meta: BODY_META, body: [body] }, fact(add)]
  const flags = { system: 1, keywords: [] }
  const modSeq = toModSeq(3 * n + 3)
  const seen = { type: RecordType.messagesFlags, account, mailbox, modSeq, changes: [{ uids: [uid], flags }] }
  if (n % 2 === 0) records.push(fact(seen))
  const expunge = { type: RecordType.messagesExpunge, account, mailbox, modSeq: toModSeq(3 * n + 4), uids: [uid] }
  if (n % 10 < EXPUNGED) records.push(fact(expunge))
  return records
}

const folder = mkdtempSync(join(tmpdir(), 'twinpost-measure-'))
try {
  const disk = new NodeDisk(folder)
  const options = { disk, directory: 'log', shard: toShardName('n1/0'), clock: nodeClock, random: nodeRandom }
  const log = await Log.open(options)
  log.append([fact(own())])
  for (let n = 0; n < LETTERS; ) {
    const records: NewRecord[] = []
    for (let i = 0; i < LETTERS_PER_APPEND && n < LETTERS; i++)
      records.push(...letter(n++, log.lastLsn + records.length + 1))
    log.append(records)
    if (log.pendingBytes > 32 * 1024 * 1024) await log.drained()
  }
  await log.drained()
  await measure(log, 'index')
  if (COMPACT) {
    await compactAll(log)
    await measure(log, 'index-2')
  }
  await log.close()
} finally {
  rmSync(folder, { recursive: true })
}

async function measure(log: Log, name: string): Promise<void> {
  const place = { disk: new NodeDisk(folder), folder: name, rootPath: folder }
  const before = process.cpuUsage()
  const began = performance.now()
  const { index } = await openIndex({ log, place, deliveriesFromMs: nodeClock.nowMs() - DELIVERY_MEMORY_MS })
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(before)
  const cpuSeconds = (user + system) / 1e6
  index.close()
  process.stdout.write(
    `${LETTERS} letters, ${log.lastLsn} records, ${Math.round(log.sizeBytes() / 1e6)} MB: ${seconds.toFixed(2)} s, ` +
      `${Math.round(LETTERS / seconds)} letters/s, ${Math.round(LETTERS / cpuSeconds)} per second of processor\n`,
  )
}

/** Every sealed segment without what nobody needs any more, at full speed. */
async function compactAll(log: Log): Promise<void> {
  const index = new SqliteIndex(`${folder}/index/index.db`)
  const goOn = async () => true
  const marks = await markBodies(index, index.appliedLsn, goOn)
  if (marks === null) throw new Error('Cannot compact: the mark was given up')
  const { horizon } = marks
  const expungedLsn = (message: MessageName) => index.expungedLsn(message)
  const expunged = new ExpungedFacts({ horizon, expungedLsn, deliveriesFromMs: nodeClock.nowMs(), jumps: [] })
  for (const segment of [...log.sealed]) {
    const superfluous = await superfluousIn({ log, segment, marks, epoch: 0, expunged, pace: goOn })
    const gone = superfluous?.gone
    if (gone !== undefined) await log.compact(segment, { horizon, mayGo: (lsn) => gone.has(lsn) }, goOn)
  }
  index.close()
}
