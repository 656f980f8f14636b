import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { CodedError } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import type { LogRecord } from '../log/types.ts'
import { MemoryLog } from '../mailbox/testing/memory-log.ts'
import { ANNA, recipient, type World, worldWith } from '../mailbox/testing/world.ts'
import { RecordType } from '../records/types.ts'
import { fsck } from './fsck.ts'
import { rebuildIndex } from './open.ts'

const store = (world: World, body: Buffer) =>
  world.store.deliver({ traceId: '', reversePath: '', recipients: [recipient(ANNA)] }, [body])

async function sound(): Promise<World> {
  const world = await worldWith()
  await store(world, Buffer.from('small'))
  await store(world, randomBytes(2_500_000))
  const account = world.store.openImapAccount(ANNA)
  await account.create('A/b', null)
  await account.rename('INBOX', 'Old')
  await account.delete('A/b')
  return world
}

/** The world's log with some records changed or gone. */
async function changed(world: World, change: (record: LogRecord) => LogRecord): Promise<MemoryLog> {
  const records: LogRecord[] = []
  await world.log.scan(toLsn(1), world.log.lastLsn, { bodies: true }, (record) => {
    records.push(change(record))
  })
  return new MemoryLog('automatic', records)
}

test('fsck() finds nothing in a sound shard', async () => {
  const { log, index, clock } = await sound()
  const report = await fsck({ log, index, nowMs: clock.nowMs() })
  assert.deepEqual(report.findings, [])
  assert.ok(report.ok && report.bodyBytes > 2_500_000 && report.recordCount === log.lastLsn)
})

test('fsck() compares an index that is behind the log with the same part of the log', async () => {
  const world = await sound()
  const index = await rebuildIndex(world.log, toLsn(4))
  assert.deepEqual((await fsck({ log: world.log, index, nowMs: 0 })).findings, [])
})

test('fsck() says which part of the index differs', async () => {
  const { log, index, clock } = await sound()
  index.apply(
    [
      {
        lsn: toLsn(log.lastLsn + 1),
        record: { type: RecordType.mailboxSubscribe, account: ANNA, name: 'x', on: true },
      },
    ],
    toLsn(log.lastLsn + 1),
  )
  log.append([{ type: RecordType.body, meta: Buffer.of(1), body: [] }])
  log.sync()
  const { ok, findings } = await fsck({ log, index, nowMs: clock.nowMs() })
  assert.equal(ok, false)
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['index-differs'],
  )
  assert.match(findings[0]?.words ?? '', /subscriptions/)
})

test('fsck() finds an index that is ahead of the log', async () => {
  const { log, index } = await sound()
  index.apply([], toLsn(log.lastLsn + 5))
  assert.deepEqual(
    (await fsck({ log, index, nowMs: 0 })).findings.map(({ kind }) => kind),
    ['index-ahead'],
  )
})

const at = (lsn: Lsn, lsns: readonly number[]) => lsns.includes(lsn)
const damages: [name: string, change: (record: LogRecord) => LogRecord, kind: string][] = [
  [
    'a body that is gone',
    (record) => (at(record.lsn, [2]) ? { ...record, type: RecordType.epochStart, meta: Buffer.of(1, 0, 0) } : record),
    'body-missing',
  ],
  [
    'a body of another length',
    (record) => (at(record.lsn, [2]) ? { ...record, body: Buffer.from('smaller') } : record),
    'body-damaged',
  ],
  [
    'a large letter of other bytes',
    (record) => (at(record.lsn, [5]) ? { ...record, body: Buffer.alloc(record.body.length) } : record),
    'body-damaged',
  ],
  [
    'a fact that cannot be read',
    (record) => (at(record.lsn, [8]) ? { ...record, meta: record.meta.subarray(0, 20) } : record),
    'record-damaged',
  ],
]
for (const [name, change, kind] of damages) {
  test(`fsck() finds ${name}`, async () => {
    const log = await changed(await sound(), change)
    const { ok, findings } = await fsck({ log, nowMs: 0 })
    assert.equal(ok, false)
    assert.ok(
      findings.some((finding) => finding.kind === kind),
      JSON.stringify(findings),
    )
  })
}

test('fsck() gives the words of the log when a record cannot be read', async () => {
  const { log } = await sound()
  log.scan = async () => {
    throw new CodedError('LOG_ROTTEN_RECORD', 'Cannot read LSN 3')
  }
  const { findings } = await fsck({ log, nowMs: 0 })
  assert.deepEqual(findings, [{ kind: 'log-damaged', lsn: null, words: 'LOG_ROTTEN_RECORD: Cannot read LSN 3' }])
})
