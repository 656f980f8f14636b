import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { toAccountId, toLsn, toUid } from '#lib/mail/types.ts'
import { StoreError } from '../errors.ts'
import { fsck } from '../index/fsck.ts'
import { RecordType } from '../records/types.ts'
import { MemoryLog } from './testing/memory-log.ts'
import { ANNA, BERT, deliver, openByName, recipient, statusByName, textOf, turn, worldWith } from './testing/world.ts'

const NOBODY = toAccountId('nobody2345nobody')
const request = (...recipients: ReturnType<typeof recipient>[]) => ({ traceId: 'trace', reversePath: '', recipients })

test('deliver() stores one body for several recipients, each with a header block of its own', async () => {
  const world = await worldWith({}, ANNA, BERT)
  const outcomes = await world.store.deliver(
    request(
      recipient(ANNA, { headerBlock: Buffer.from('Delivered-To: anna\r\n') }),
      recipient(NOBODY),
      recipient(BERT, { headerBlock: Buffer.from('Delivered-To: bert\r\n') }),
    ),
    [Buffer.from('Subject: hi\r\n\r\n'), Buffer.from('text\r\n')],
  )
  assert.deepEqual(outcomes, [
    { kind: 'stored', uid: 1, duplicate: false },
    { kind: 'unknown' },
    { kind: 'stored', uid: 1, duplicate: false },
  ])
  for (const [account, name] of [
    [ANNA, 'anna'],
    [BERT, 'bert'],
  ] as const) {
    const inbox = await openByName(world.store.openImapAccount(account), 'INBOX')
    const [facts] = inbox.facts([toUid(1)])
    assert.ok(facts)
    assert.equal(await textOf(inbox.message(facts.uid)), `Delivered-To: ${name}\r\nSubject: hi\r\n\r\ntext\r\n`)
    assert.equal(facts.sizeBytes, `Delivered-To: ${name}\r\nSubject: hi\r\n\r\ntext\r\n`.length)
  }
  const types: number[] = []
  await world.log.scan(toLsn(1), world.log.lastLsn, { bodies: false }, ({ type }) => {
    types.push(type)
  })
  assert.equal(types.filter((type) => type === RecordType.body).length, 1)
})

test('deliver() answers a repeated id with the outcome of the first, stored or under way', async () => {
  const world = await worldWith()
  const to = recipient(ANNA)
  const [first, second] = await Promise.all([
    world.store.deliver(request(to), [Buffer.from('a')]),
    world.store.deliver(request(to), [Buffer.from('a')]),
  ])
  assert.deepEqual(first, [{ kind: 'stored', uid: 1, duplicate: false }])
  assert.deepEqual(second, [{ kind: 'stored', uid: 1, duplicate: true }])
  assert.deepEqual(await world.store.deliver(request(to), [Buffer.from('a')]), second)
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 1)
})

test('deliver() falls back to INBOX when the mailbox is missing, and finds one that exists in any spelling of INBOX', async () => {
  const world = await worldWith()
  await deliver(world, ANNA, 'x', 'No/Such')
  await deliver(world, ANNA, 'x', 'inbox')
  await deliver(world, ANNA, 'x', 'Junk')
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 2)
  assert.equal(statusByName(world, ANNA, 'Junk').messages, 1)
})

test('deliver() counts letters that are not committed yet against the quota', async () => {
  const log = new MemoryLog('by-hand')
  const world = await worldWith({ log })
  const quota = world.store.runAccountCommand({ kind: 'set-quota', account: ANNA, quotaBytes: 250 })
  await turn()
  log.sync()
  await quota
  const to = () => request(recipient(ANNA, { headerBlock: Buffer.alloc(0) }))
  const first = world.store.deliver(to(), [Buffer.alloc(100)])
  const second = world.store.deliver(to(), [Buffer.alloc(100)])
  const third = world.store.deliver(to(), [Buffer.alloc(100)])
  assert.deepEqual(await third, [{ kind: 'over-quota' }])
  assert.deepEqual(
    world.store.checkRecipients([
      { account: ANNA, sizeBytes: 60 },
      { account: ANNA, sizeBytes: 50 },
    ]),
    [{ kind: 'over-quota' }, { kind: 'ok' }],
  )
  log.sync()
  assert.deepEqual((await first)[0]?.kind, 'stored')
  assert.deepEqual((await second)[0]?.kind, 'stored')
  assert.deepEqual(world.store.checkRecipients([{ account: ANNA, sizeBytes: 51 }]), [{ kind: 'over-quota' }])
})

test('deliver() exposes nothing before commit', async () => {
  const log = new MemoryLog('by-hand')
  const world = await worldWith({ log })
  const inbox = await openByName(world.store.openImapAccount(ANNA), 'INBOX')
  const delivered = world.store.deliver(request(recipient(ANNA)), [Buffer.from('x')])
  await turn()
  assert.equal(inbox.delta(inbox.view).view.exists, 0)
  assert.equal(inbox.status().uidNext, 1)
  assert.equal(world.store.counts().pending, 1)
  log.sync()
  assert.equal((await delivered)[0]?.kind, 'stored')
  assert.equal(inbox.delta(inbox.view).view.exists, 1)
})

test('deliver() answers unavailable when the log fails, and nothing is taken afterwards', async () => {
  const log = new MemoryLog('by-hand')
  const world = await worldWith({ log })
  const reasons: string[] = []
  world.store.registerSession(ANNA, 'imap', (reason) => reasons.push(reason))
  const account = world.store.openImapAccount(ANNA)
  const delivered = world.store.deliver(request(recipient(ANNA)), [Buffer.from('x')])
  const created = account.create('New', null)
  log.fail()
  assert.deepEqual(await delivered, [{ kind: 'unavailable' }])
  await assert.rejects(created, (error) => error instanceof StoreError && error.code === 'STORE_UNAVAILABLE')
  assert.throws(() => world.store.beginDelivery(request(recipient(ANNA))), StoreError)
  assert.deepEqual(world.store.checkRecipients([{ account: ANNA, sizeBytes: 0 }]), [{ kind: 'unavailable' }])
  assert.equal(world.failures.length, 1)
  assert.equal(reasons.length, 1)
})

test('deliver() is refused while the disk is behind, and goes on afterwards', async () => {
  const log = new MemoryLog('by-hand')
  const world = await worldWith({ log })
  const waiting = world.store.deliver(request(recipient(ANNA)), [Buffer.from('x')])
  const stream = world.store.beginDelivery(request(recipient(ANNA)))
  log.busy = true
  assert.deepEqual(await world.store.deliver(request(recipient(ANNA)), [Buffer.from('x')]), [{ kind: 'unavailable' }])
  assert.throws(() => stream.write(Buffer.alloc(1_500_000)), { code: 'STORE_BUSY' })
  log.busy = false
  // A piece of it is lost: never store the rest as if it were the letter.
  assert.throws(() => stream.write(Buffer.alloc(10)), { code: 'STORE_BUSY' })
  assert.deepEqual(await stream.finish(), [{ kind: 'unavailable' }])
  const after = world.store.deliver(request(recipient(ANNA)), [Buffer.from('x')])
  log.sync()
  assert.equal((await waiting)[0]?.kind, 'stored')
  assert.equal((await after)[0]?.kind, 'stored')
  assert.deepEqual(world.failures, [])
})

test('deliver() never refers to a body that could not be written', async () => {
  const log = new MemoryLog('by-hand')
  const world = await worldWith({ log }, ANNA, BERT)
  const created = world.store.openImapAccount(ANNA).create('New', null)
  log.busy = true
  const both = world.store.deliver(request(recipient(BERT), recipient(ANNA)), [Buffer.from('x')])
  log.busy = false
  log.sync()
  await created
  await turn()
  log.sync()
  assert.deepEqual(await both, [{ kind: 'unavailable' }, { kind: 'unavailable' }])
  assert.deepEqual((await fsck({ log, index: world.index, nowMs: 0 })).findings, [])
})

test('depose() refuses what waits, and the next primary has none of it', async () => {
  const log = new MemoryLog('by-hand')
  const world = await worldWith({ log })
  const delivered = world.store.deliver(request(recipient(ANNA)), [Buffer.from('x')])
  const created = world.store.openImapAccount(ANNA).create('New', null)
  world.store.depose('member n1-1 is primary')
  log.sync()
  assert.deepEqual(await delivered, [{ kind: 'unavailable' }])
  await assert.rejects(created, { code: 'STORE_NOT_PRIMARY' })
  assert.deepEqual([world.failures, world.index.appliedLsn], [[], 1])
})

test('deliver() keeps a recipient waiting whose account is held, and nobody else', async () => {
  const log = new MemoryLog('by-hand')
  const world = await worldWith({ log }, ANNA, BERT)
  const created = world.store.openImapAccount(ANNA).create('New', null)
  const both = world.store.deliver(request(recipient(ANNA, { mailbox: 'New' }), recipient(BERT)), [Buffer.from('x')])
  const toBert = world.store.deliver(request(recipient(BERT)), [Buffer.from('y')])
  await turn()
  const before = log.lastLsn
  log.sync()
  assert.deepEqual((await toBert)[0], { kind: 'stored', uid: 2, duplicate: false })
  await created
  await turn()
  assert.equal(log.lastLsn, before + 1)
  log.sync()
  assert.deepEqual(await both, [
    { kind: 'stored', uid: 1, duplicate: false },
    { kind: 'stored', uid: 1, duplicate: false },
  ])
  assert.equal(statusByName(world, ANNA, 'New').messages, 1)
})

const sizes = [0, 1, 1024 * 1024, 1024 * 1024 + 1, 3 * 1024 * 1024, 3 * 1024 * 1024 + 17]
for (const size of sizes) {
  test(`beginDelivery() gives back a letter of ${size} bytes, whole and in parts`, async () => {
    const world = await worldWith()
    const body = randomBytes(size)
    const to = recipient(ANNA)
    const delivery = world.store.beginDelivery(request(to))
    for (let at = 0; at < size; at += 60_000) await delivery.write(body.subarray(at, at + 60_000))
    assert.deepEqual(await delivery.finish(), [{ kind: 'stored', uid: 1, duplicate: false }])
    const inbox = await openByName(world.store.openImapAccount(ANNA), 'INBOX')
    const bytes = inbox.message(toUid(1))
    assert.ok(bytes)
    const header = to.headerBlock.byteLength
    assert.equal(bytes.sizeBytes, header + size)
    const whole = await bytes.read(0, bytes.sizeBytes)
    const hash = (given: Uint8Array) => createHash('sha256').update(given).digest('hex')
    assert.equal(hash(whole.subarray(header)), hash(body))
    for (const [offset, length] of [
      [header - 3, 10],
      [header + 1024 * 1024 - 5, 10],
      [header + size - 4, 100],
      [header + size + 4, 100],
    ] as const) {
      assert.deepEqual(
        Buffer.from(await bytes.read(offset, length)),
        Buffer.from(whole.subarray(offset, offset + length)),
      )
    }
  })
}

test('beginDelivery() holds the writer back while the disk is behind', async () => {
  const log = new MemoryLog('by-hand')
  const world = await worldWith({ log, limits: { streamBytesInFlightMax: 2 * 1024 * 1024 } })
  const delivery = world.store.beginDelivery(request(recipient(ANNA)))
  const mebibyte = Buffer.alloc(1024 * 1024)
  assert.equal(delivery.write(mebibyte), undefined)
  assert.equal(delivery.write(mebibyte), undefined)
  const wait = delivery.write(mebibyte)
  assert.ok(wait instanceof Promise)
  log.sync()
  await wait
  const finished = delivery.finish()
  log.sync()
  assert.equal((await finished)[0]?.kind, 'stored')
})

test('beginDelivery() refuses a letter above the limit and refers to nothing of it', async () => {
  const world = await worldWith({ limits: { bodyBytesMax: 2_000_000 } })
  const delivery = world.store.beginDelivery(request(recipient(ANNA)))
  await delivery.write(Buffer.alloc(1_500_000))
  assert.throws(() => delivery.write(Buffer.alloc(1_000_000)), { code: 'STORE_BODY_TOO_LARGE' })
  delivery.abort()
  await assert.rejects(delivery.finish(), { code: 'STORE_CLOSED' })
  assert.deepEqual(world.store.checkRecipients([{ account: ANNA, sizeBytes: 2_000_001 }]), [{ kind: 'too-large' }])
})

test('checkRecipients() tells unknown and suspended accounts apart', async () => {
  const world = await worldWith()
  const ask = () =>
    world.store.checkRecipients([
      { account: ANNA, sizeBytes: 0 },
      { account: NOBODY, sizeBytes: 0 },
    ])
  assert.deepEqual(ask(), [{ kind: 'ok' }, { kind: 'unknown' }])
  await world.store.runAccountCommand({ kind: 'suspend', account: ANNA })
  assert.deepEqual(ask(), [{ kind: 'suspended' }, { kind: 'unknown' }])
  assert.deepEqual(await world.store.deliver(request(recipient(ANNA)), [Buffer.from('x')]), [{ kind: 'suspended' }])
})
