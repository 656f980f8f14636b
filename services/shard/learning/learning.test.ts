/** What users do with letters, as lessons; and that nothing waits for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenMailbox } from '#lib/imap/store.ts'
import { Flag } from '#lib/mail/flags.ts'
import { toUid } from '#lib/mail/types.ts'
import { ANNA, deliver, openByName, recipient, turn, type World, worldWith } from '../mailbox/testing/world.ts'
import { LESSONS_PER_DAY, type TaughtLetter } from './learner.ts'

interface Taught {
  readonly world: World
  readonly lessons: TaughtLetter[]
}

async function taughtWorld(teach: () => Promise<void> = async () => {}): Promise<Taught> {
  const lessons: TaughtLetter[] = []
  const teacher = {
    async teach(letter: TaughtLetter) {
      lessons.push(letter)
      await teach()
    },
  }
  return { world: await worldWith({ teacher }), lessons }
}

async function letter(world: World, mailbox: string, text = 'Subject: x\r\n\r\ntext\r\n'): Promise<OpenMailbox> {
  const headerBlock = Buffer.from('Return-Path: <>\r\nDelivered-To: anna@example.test\r\n')
  const request = { traceId: '', reversePath: '', recipients: [recipient(ANNA, { mailbox, headerBlock })] }
  await world.store.deliver(request, [Buffer.from(text)])
  return await openByName(world.store.openImapAccount(ANNA), mailbox)
}

const settled = async () => {
  for (let i = 0; i < 100; i++) await turn()
}

const moves: [from: string, to: string, kind: string | null][] = [
  ['INBOX', 'Junk', 'junk'],
  ['Junk', 'INBOX', 'other'],
  ['INBOX', 'Archive', 'other'],
  ['INBOX', 'Trash', null],
  ['Junk', 'Trash', null],
  ['Trash', 'INBOX', null],
  ['Trash', 'Junk', 'junk'],
]
for (const [from, to, kind] of moves) {
  test(`a move from ${from} to ${to} teaches ${kind ?? 'nothing'}`, async () => {
    const { world, lessons } = await taughtWorld()
    const mailbox = await letter(world, from)
    await mailbox.move([toUid(1)], to)
    await settled()
    assert.deepEqual(
      lessons.map((one) => [one.kind, one.owner, Buffer.from(one.letter).toString()]),
      kind === null ? [] : [[kind, 'anna@example.test', 'Subject: x\r\n\r\ntext\r\n']],
    )
  })
}

test('a delivery teaches nothing, a copy into Junk does, and so do answers and the keywords for it', async () => {
  const { world, lessons } = await taughtWorld()
  await deliver(world, ANNA, 'x', 'Junk')
  const inbox = await letter(world, 'INBOX')
  const kinds = async (work: Promise<unknown>) => {
    await work
    await settled()
    return lessons.splice(0).map(({ kind }) => kind)
  }
  const store = (system: number, keywords: readonly string[]) =>
    inbox.store({ uids: [toUid(1)], change: 'replace', flags: { system, keywords } })
  assert.deepEqual(await kinds(settled()), [])
  assert.deepEqual(await kinds(inbox.copy([toUid(1)], 'Junk')), ['junk'])
  assert.deepEqual(await kinds(store(Flag.seen, [])), [])
  assert.deepEqual(await kinds(store(Flag.answered, [])), ['other'])
  assert.deepEqual(await kinds(store(0, ['$Junk'])), ['junk'])
  assert.deepEqual(await kinds(store(0, ['$notjunk'])), ['other'])
})

test('one account teaches only so much a day, and of one sorting only the first letters', async () => {
  const { world, lessons } = await taughtWorld()
  let inbox = await letter(world, 'INBOX')
  for (let i = 1; i < LESSONS_PER_DAY + 20; i++) inbox = await letter(world, 'INBOX')
  const uids = Array.from({ length: LESSONS_PER_DAY + 20 }, (_, i) => toUid(i + 1))
  for (let at = 0; at < uids.length; at += 60) await inbox.move(uids.slice(at, at + 60), 'Junk')
  await settled()
  await settled()
  assert.equal(lessons.length, LESSONS_PER_DAY)
  world.clock.advance(24 * 60 * 60_000)
  await (await letter(world, 'INBOX')).move([toUid(uids.length + 1)], 'Junk')
  await settled()
  assert.equal(lessons.length, LESSONS_PER_DAY + 1)
})

test('a teacher that hangs keeps nobody waiting', async () => {
  const { world, lessons } = await taughtWorld(() => new Promise(() => {}))
  const inbox = await letter(world, 'INBOX')
  await inbox.move([toUid(1)], 'Junk')
  await (await letter(world, 'INBOX')).move([toUid(2)], 'Junk')
  await settled()
  assert.equal(lessons.length, 1)
})
