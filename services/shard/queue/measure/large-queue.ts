/**
 * What a large queue costs: `node services/shard/queue/measure/large-queue.ts [letters]` (default 1,000,000, a tenth of them for one
 * destination that is dead). Prints the time to begin serving with it, memory (with `--expose-gc` what is really held), and the time of
 * one answer to a sender.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toLsn } from '#lib/mail/types.ts'
import { SqliteIndex } from '../../index/sqlite-index.ts'
import { ManualClock } from '../../log/testing.ts'
import { MailStore } from '../../mailbox/mail-store.ts'
import { MemoryLog } from '../../mailbox/testing/memory-log.ts'
import { SeededRandom } from '../../mailbox/testing/world.ts'
import { type QueueAdd, RecordType } from '../../records/types.ts'

const LETTERS = Number(process.argv[2] ?? 1_000_000)
const BATCH = 1_000
const DESTINATIONS = 20_000
const clock = new ManualClock()
const folder = mkdtempSync(join(tmpdir(), 'queue-'))
const file = join(folder, 'index.sqlite')

const letter = (n: number): QueueAdd => {
  const destination = n % 10 === 0 ? 'dead.example' : `d${n % DESTINATIONS}.example`
  return {
    type: RecordType.queueAdd,
    account: null,
    kind: 'submission',
    reversePath: 'anna@example.test',
    traceId: `trace${n}`,
    addedMs: clock.nowMs(),
    dueMs: clock.nowMs(),
    expiresMs: clock.nowMs() + 432_000_000,
    deliveryId: null,
    eightBit: false,
    smtpUtf8: false,
    ret: null,
    envid: null,
    headerBlock: Buffer.alloc(200, 'x'),
    body: { lsns: [toLsn(2 * n + 1)], sizeBytes: 4_096 },
    recipients: [{ address: `ben${n}@${destination}`, destination, notify: null, orcpt: null }],
  }
}

function rss(): number {
  globalThis.gc?.()
  return Math.round(process.memoryUsage().rss / 1e6)
}

const timed = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
  const startedMs = performance.now()
  const value = await work()
  process.stdout.write(`${what}: ${(performance.now() - startedMs).toFixed(1)} ms\n`)
  return value
}

const building = new SqliteIndex(file)
await timed(`fold ${LETTERS} queue.add`, () => {
  for (let n = 0; n < LETTERS; n += BATCH) {
    const records = Array.from({ length: Math.min(BATCH, LETTERS - n) }, (_, i) => ({
      lsn: toLsn(2 * (n + i) + 2),
      record: letter(n + i),
    }))
    building.apply(records, toLsn(2 * (n + records.length)))
  }
})
building.close()
process.stdout.write(`index file: ${Math.round(statSync(file).size / 1e6)} MB\n`)

const before = rss()
const index = new SqliteIndex(file)
const store = await timed(
  'begin to serve',
  () => new MailStore({ log: new MemoryLog(), index, clock, random: new SeededRandom(1) }),
)
process.stdout.write(`memory: ${rss() - before} MB more than before (${rss()} MB in all)\n`)
const { queue } = store
await timed('totals, as a scrape asks', () => queue.totals())
const reader = index.queue
await timed('destinations due, 1,000 looks at the busiest', () => {
  for (let i = 0; i < 1_000; i++) reader.due('dead.example', clock.nowMs(), 10)
})
await timed('50 items chosen, but for the commit', () => {
  for (let i = 0; i < 50; i++) {
    const [row] = reader.due(`d${i + 1}.example`, clock.nowMs(), 10)
    if (row !== undefined) reader.entry(row.entry)
  }
})
store.depose('measured')
index.close()
rmSync(folder, { recursive: true })
