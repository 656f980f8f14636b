import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fold } from '#lib/imap/session/search/fold.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { ANNA, deliver, worldWith } from '../mailbox/testing/world.ts'
import { type FeederOptions, startTextFeeder } from './feeder.ts'
import type { TextIndexWriter } from './port.ts'
import { InlineTextIndex } from './testing/inline-text-index.ts'
import { startTextService } from './text-service.ts'
import { openTextIndex } from './worker-text-index.ts'

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function candidates(text: TextIndexWriter, part: string): Promise<number | null> {
  const answer = await text.ask(ANNA, [{ part: 'body', text: fold(part) }])
  return answer?.candidates[0]?.length ?? null
}

async function world(text: TextIndexWriter, more: Partial<FeederOptions> = {}) {
  const made = await worldWith()
  const failures: Error[] = []
  const options: FeederOptions = {
    log: made.log,
    text,
    indexedLsn: () => made.index.appliedLsn,
    mayGrow: () => true,
    load: () => 0,
    clock: nodeClock,
    onFailure: (error) => failures.push(error),
    ...more,
  }
  return { ...made, options, failures }
}

test('the feeder brings the text index to the applied LSN, and follows it', async () => {
  const text = new InlineTextIndex()
  const { options, index, failures, ...made } = await world(text)
  for (let i = 0; i < 20; i++) await deliver({ ...made, index, failures }, ANNA, `Subject: x\r\n\r\nlunch ${i}\r\n`)
  const feeder = startTextFeeder(options)
  await until(() => text.appliedLsn === index.appliedLsn)
  assert.equal(await candidates(text, 'lunch'), 20)
  await deliver({ ...made, index, failures }, ANNA, 'Subject: x\r\n\r\nsupper\r\n')
  await until(() => text.appliedLsn === index.appliedLsn)
  assert.equal(await candidates(text, 'supper'), 1)
  await feeder.stop()
  assert.deepEqual(failures, [])
})

test('the feeder passes over letters that compaction has dropped', async () => {
  const text = new InlineTextIndex()
  const { options, index, ...made } = await world(text)
  const whole = { ...made, index }
  await deliver(whole, ANNA, 'Subject: x\r\n\r\nlunch\r\n')
  await deliver(whole, ANNA, 'Subject: x\r\n\r\nlunch\r\n')
  let dropped = 0
  const log: FeederOptions['log'] = {
    scan: (from, to, how, visit) => made.log.scan(from, to, how, visit),
    read: async (lsn: Lsn) => {
      if (dropped++ === 0) throw Object.assign(new Error('dropped'), { code: 'LOG_DROPPED_RECORD' })
      return made.log.read(lsn)
    },
  }
  const feeder = startTextFeeder({ ...options, log })
  await until(() => text.appliedLsn === index.appliedLsn)
  assert.equal(await candidates(text, 'lunch'), 1)
  await feeder.stop()
})

test('the feeder rests on a full volume', async () => {
  const text = new InlineTextIndex()
  let full = true
  const { options, index, ...made } = await world(text, { mayGrow: () => !full })
  await deliver({ ...made, index }, ANNA, 'Subject: x\r\n\r\nlunch\r\n')
  const feeder = startTextFeeder(options)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(text.appliedLsn, 0)
  full = false
  await until(() => text.appliedLsn === index.appliedLsn)
  await feeder.stop()
})

test('openTextIndex() works in a thread, goes on where it was, and begins anew with a file that is damaged or ahead', async () => {
  const rootPath = await mkdtemp(join(tmpdir(), 'text-'))
  const place = { disk: new NodeDisk(rootPath), folder: 'index', rootPath }
  try {
    const first = await openTextIndex(place, toLsn(0))
    await first.add(ANNA, 'one', Buffer.from('Subject: x\r\n\r\n我们吃午饭\r\n'))
    await first.commit(5)
    assert.equal(await candidates(first, '午饭'), 1)
    await first.close()

    const again = await openTextIndex(place, toLsn(5))
    assert.equal(again.appliedLsn, 5)
    assert.deepEqual(await again.missing(ANNA, ['one', 'two']), ['two'])
    await again.close()

    const ahead = await openTextIndex(place, toLsn(4))
    assert.equal(ahead.appliedLsn, 0)
    await ahead.close()

    await writeFile(join(rootPath, 'index', 'text.db'), 'no database at all, only some words that are long enough')
    const damaged = await openTextIndex(place, toLsn(5))
    assert.equal(damaged.appliedLsn, 0)
    assert.equal(await candidates(damaged, '午饭'), 0)
    await damaged.close()
    await assert.rejects(damaged.commit(6), { code: 'TEXT_INDEX' })
    assert.equal(await damaged.ask(ANNA, []), null)
  } finally {
    await rm(rootPath, { recursive: true })
  }
})

test('startTextService() opens and feeds beside everything else, and answers when it can', async () => {
  const rootPath = await mkdtemp(join(tmpdir(), 'text-'))
  try {
    const { index, ...made } = await worldWith()
    await deliver({ ...made, index }, ANNA, 'Subject: x\r\n\r\nlunch\r\n')
    const failures: Error[] = []
    const service = startTextService({
      place: { disk: new NodeDisk(rootPath), folder: 'index', rootPath },
      log: made.log,
      usableUpTo: index.appliedLsn,
      indexedLsn: () => index.appliedLsn,
      mayGrow: () => true,
      load: () => 0,
      clock: nodeClock,
      onFailure: (error) => failures.push(error),
    })
    assert.equal(await service.ask(ANNA, []), null)
    await until(() => service.appliedLsn === index.appliedLsn)
    const answer = await service.ask(ANNA, [{ part: 'body', text: fold('lunch') }])
    assert.equal(answer?.candidates[0]?.length, 1)
    await service.stop()
    assert.deepEqual(failures, [])
  } finally {
    await rm(rootPath, { recursive: true })
  }
})
