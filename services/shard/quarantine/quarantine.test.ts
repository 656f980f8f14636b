/** Letters into quarantine and out of it, on a store in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeOutcome, RESULT_HEADER } from '#lib/filter/result.ts'
import { QUARANTINE } from '#lib/frames/quarantine.ts'
import { type AccountId, toAccountId, toUid } from '#lib/mail/types.ts'
import { fsck } from '../index/fsck.ts'
import {
  ANNA,
  BERT,
  makeWorld,
  openByName,
  recipient,
  statusByName,
  textOf,
  type World,
  worldWith,
} from '../mailbox/testing/world.ts'
import { digestLetter } from './digest.ts'

const NOBODY = toAccountId('nobody2345nobody')
const LETTER = 'From: =?utf-8?q?J=C3=B6rg?= <joerg@example.net>\r\nSubject: Rechnung\r\n\r\ntext\r\n'
const reasons = ['virus Eicar (clamav)']

function block(to: string, from = 'sender@example.net'): Buffer {
  const outcome = encodeOutcome({ action: 'quarantine', level: 'standard', spam: 0, reasons })
  return Buffer.from(`Return-Path: <${from}>\r\nDelivered-To: ${to}\r\n${RESULT_HEADER}: ${outcome}\r\n`)
}

const held = (account: AccountId, to: string, from?: string) =>
  recipient(account, { mailbox: QUARANTINE, headerBlock: block(to, from) })

async function deliver(world: World, ...recipients: ReturnType<typeof recipient>[]) {
  return await world.store.deliver({ traceId: 'trace', reversePath: '', recipients }, [Buffer.from(LETTER)])
}

async function list(world: World, filter: { to?: string; from?: string } = {}) {
  return await world.store.quarantine.order({ kind: 'list', filter, before: null, rowsMax: 100 })
}

test('a letter in quarantine is with nobody, costs no quota, and tells whose it is and why', async () => {
  const world = await worldWith({}, ANNA, BERT)
  await world.store.runAccountCommand({ kind: 'set-quota', account: ANNA, quotaBytes: 10 })
  const outcomes = await deliver(world, held(ANNA, 'anna@example.test'), recipient(BERT))
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['stored', 'stored'],
  )
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 0)
  assert.equal(world.store.openImapAccount(ANNA).quota().usedBytes, 0)
  const { letters, next } = await list(world)
  assert.equal(next, null)
  const [letter] = letters
  assert.ok(letter)
  const { to, from, author, subject, account } = letter
  assert.deepEqual(
    { to, from, author, subject, account, reasons: letter.reasons },
    {
      to: 'anna@example.test',
      from: 'sender@example.net',
      author: 'Jörg <joerg@example.net>',
      subject: 'Rechnung',
      account: ANNA,
      reasons,
    },
  )
  const { bytes } = await world.store.quarantine.order({ kind: 'read', letter: letter.letter })
  assert.ok(
    Buffer.from(bytes ?? '', 'base64')
      .toString()
      .endsWith(LETTER),
  )
})

test('who is not served here gets nothing into quarantine either', async () => {
  const world = await worldWith({}, ANNA, BERT)
  await world.store.runAccountCommand({ kind: 'suspend', account: BERT })
  const outcomes = await deliver(world, held(NOBODY, 'nobody@example.test'), held(BERT, 'bert@example.test'))
  assert.deepEqual(outcomes, [{ kind: 'unknown' }, { kind: 'suspended' }])
  assert.deepEqual((await list(world)).letters, [])
})

test('a repeated delivery is stored once, and a letter that streams can go to quarantine at its end', async () => {
  const world = await worldWith()
  const to = held(ANNA, 'anna@example.test')
  await deliver(world, to)
  assert.deepEqual(await deliver(world, to), [{ kind: 'stored', uid: 1, duplicate: true }])
  const plain = recipient(ANNA)
  const stream = world.store.beginDelivery({ traceId: 'trace', reversePath: '', recipients: [plain] })
  await stream.write(Buffer.from(LETTER))
  const [outcome] = await stream.finish([{ mailbox: QUARANTINE, headerBlock: block('anna@example.test') }])
  assert.deepEqual(outcome, { kind: 'stored', uid: 2, duplicate: false })
  assert.equal((await list(world)).letters.length, 2)
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 0)
})

test('release() gives the owner the letter as it would have come, once, and takes it out', async () => {
  const world = await worldWith()
  await deliver(world, held(ANNA, 'anna@example.test'))
  const both = await Promise.allSettled([1, 2].map(() => world.store.quarantine.order({ kind: 'release', letter: 1 })))
  assert.ok(both.some(({ status }) => status === 'fulfilled'))
  const inbox = await openByName(world.store.openImapAccount(ANNA), 'INBOX')
  assert.equal(inbox.view.exists, 1)
  assert.equal(await textOf(inbox.message(toUid(1))), `${block('anna@example.test')}${LETTER}`)
  assert.deepEqual((await list(world)).letters, [])
  await assert.rejects(world.store.quarantine.order({ kind: 'release', letter: 1 }), { code: 'STORE_NO_ENTRY' })
  const { findings } = await fsck({ log: world.log, index: world.index, nowMs: 0 })
  assert.deepEqual(findings, [])
})

test('release() to an account that is full leaves the letter where it is', async () => {
  const world = await worldWith()
  await deliver(world, held(ANNA, 'anna@example.test'))
  await world.store.runAccountCommand({ kind: 'set-quota', account: ANNA, quotaBytes: 10 })
  await assert.rejects(world.store.quarantine.order({ kind: 'release', letter: 1 }), { code: 'STORE_OVER_QUOTA' })
  assert.equal((await list(world)).letters.length, 1)
})

test('list() and delete() choose by recipient, domain and sender, and lists go on where they stopped', async () => {
  const world = await worldWith()
  for (const [to, from] of [
    ['anna@example.test', 'a@example.net'],
    ['Info@example.test', 'b@example.net'],
    ['anna@other.example.test', 'a@example.net'],
  ] as const) {
    await deliver(world, held(ANNA, to, from))
  }
  const chosen = async (filter: { to?: string; from?: string }) =>
    (await list(world, filter)).letters.map(({ letter }) => letter)
  assert.deepEqual(await chosen({ to: 'example.test' }), [2, 1])
  assert.deepEqual(await chosen({ to: 'info@EXAMPLE.test' }), [2])
  assert.deepEqual(await chosen({ from: 'a@example.net', to: 'other.example.test' }), [3])
  const first = await world.store.quarantine.order({ kind: 'list', filter: {}, before: null, rowsMax: 2 })
  const rest = await world.store.quarantine.order({ kind: 'list', filter: {}, before: first.next, rowsMax: 2 })
  assert.deepEqual(
    [first, rest].map(({ letters }) => letters.map(({ letter }) => letter)),
    [[3, 2], [1]],
  )
  assert.equal((await world.store.quarantine.order({ kind: 'delete', filter: { to: 'example.test' } })).changed, 2)
  assert.deepEqual(await chosen({}), [3])
})

test('sweep() takes out what is too old and what was for a deleted account, and nothing else', async () => {
  const world = await worldWith({}, ANNA, BERT)
  await deliver(world, held(ANNA, 'anna@example.test'))
  world.clock.advance(20 * 86_400_000)
  await deliver(world, held(ANNA, 'anna@example.test'))
  await deliver(world, held(BERT, 'bert@example.test'))
  await world.store.quarantine.sweep()
  assert.equal((await list(world)).letters.length, 3)
  await world.store.runAccountCommand({ kind: 'delete', account: BERT })
  world.clock.advance(11 * 86_400_000)
  await world.store.quarantine.sweep()
  assert.deepEqual(
    (await list(world)).letters.map(({ letter }) => letter),
    [2],
  )
})

test('explain() finds a letter by its Message-ID or by our id for it, where it is, and tells what came with it', async () => {
  const world = await worldWith()
  const received = (id: string) =>
    `Received: from a ([192.0.2.1])\r\n\tby mx.example.test with ESMTP id ${id};\r\n\tWed, 25 Nov 2026 10:00:00 +0000\r\n`
  const headerBlock = (id: string) => Buffer.concat([block('anna@example.test'), Buffer.from(received(id))])
  const letter = (name: string) => [Buffer.from(`Message-ID: <${name}@example.net>\r\nSubject: x\r\n\r\ntext\r\n`)]
  const to = (mailbox: string, id: string) => [recipient(ANNA, { mailbox, headerBlock: headerBlock(id) })]
  const request = { traceId: 'trace', reversePath: '' }
  assert.deepEqual(await world.store.explain(null, 'held@example.net'), { letters: [], lookedAt: 0, all: true })
  await world.store.deliver({ ...request, recipients: to('Junk', 'aaaa2222') }, letter('junk'))
  await world.store.deliver({ ...request, recipients: to('INBOX', 'bbbb2222') }, letter('other'))
  await world.store.deliver({ ...request, recipients: to(QUARANTINE, 'cccc2222') }, letter('held'))
  for (const name of ['junk@example.net', 'aaaa2222']) {
    const { letters, lookedAt, all } = await world.store.explain(ANNA, name)
    assert.deepEqual([letters.map(({ mailbox }) => mailbox), lookedAt, all], [['Junk'], 2, true])
    const outcome = letters[0]?.fields.find((field) => field.name === RESULT_HEADER)?.value
    assert.match(outcome ?? '', /^action=quarantine; level=standard; spam=0\.00; reason="virus Eicar \(clamav\)"$/)
  }
  const held = await world.store.explain(null, 'held@example.net')
  assert.deepEqual(
    held.letters.map(({ mailbox }) => mailbox),
    [QUARANTINE],
  )
  assert.deepEqual((await world.store.explain(ANNA, 'held@example.net')).letters, [])
  await assert.rejects(world.store.explain(NOBODY, 'x'), { code: 'STORE_UNKNOWN_ACCOUNT' })
})

test('people hear once a day what was kept back from them, whichever primary tells them, and nobody else does', async () => {
  const world = await worldWith({ quarantineDigests: true }, ANNA, BERT)
  await deliver(world, held(ANNA, 'anna@example.test'))
  await deliver(world, held(ANNA, 'anna@example.test'))
  await world.store.quarantine.sweep()
  assert.equal(statusByName(world, ANNA, 'INBOX').messages, 0)
  world.clock.advance(86_400_000)
  await deliver(world, held(BERT, 'bert@example.test')) // of today: told tomorrow
  await world.store.quarantine.sweep()
  await world.store.quarantine.sweep()
  world.store.depose('the other member is primary')
  const next = makeWorld({ log: world.log, index: world.index, clock: world.clock, quarantineDigests: true })
  await next.store.quarantine.sweep()
  assert.equal(statusByName(next, BERT, 'INBOX').messages, 0)
  const inbox = await openByName(next.store.openImapAccount(ANNA), 'INBOX')
  assert.equal(inbox.view.exists, 1)
  const letter = await textOf(inbox.message(toUid(1)))
  assert.match(letter, /^Return-Path: <>\r\nDelivered-To: anna@example\.test\r\nDate: /)
  assert.match(letter, /^Auto-Submitted: auto-generated\r$/m)
  const text = Buffer.from(letter.split('\r\n\r\n')[1] ?? '', 'base64').toString()
  assert.equal(text.match(/Jörg <joerg@example\.net>: Rechnung/g)?.length, 2)
  assert.match(text, /\[2\]/)
})

test('digestLetter() is one line for each letter, without links, whatever these hold', () => {
  const letters = [
    {
      name: '7',
      author: 'a\r\nBcc: x',
      subject: 'see https://evil.example or www.evil.example \u202e',
      receivedMs: 0,
      reason: 'spam',
    },
  ]
  const facts = { hostname: 'mx.example.test', to: 'anna@example.test', nowMs: 0, id: 'id', letters, more: 3 }
  const [, body = ''] = digestLetter(facts).toString().split('\r\n\r\n')
  const text = Buffer.from(body, 'base64').toString()
  assert.match(text, /^ {2}a Bcc: x: see https:evil\.example or www evil\.example /m)
  assert.doesNotMatch(text, /:\/\/|\u202e|^Bcc/m)
  assert.match(text, /and 3 more/)
})
