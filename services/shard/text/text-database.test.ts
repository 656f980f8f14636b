import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fold } from '#lib/imap/session/search/fold.ts'
import { TextDatabase, type TextPart } from './text-database.ts'

const ANNA = 'aaaaaaaaaaaaaaaa'
const BOB = 'bbbbbbbbbbbbbbbb'

function letter(subject: string, body: string, ...more: string[]): Buffer {
  const head = [`Subject: ${subject}`, 'Content-Type: text/plain; charset=utf-8', ...more]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}\r\n`)
}

function filled(): TextDatabase {
  const database = new TextDatabase(':memory:')
  database.add(ANNA, 'lunch', letter('Lunch today?', 'Shall we have lunch?'))
  database.add(BOB, 'lunch', letter('Lunch today?', 'Shall we have lunch?'))
  database.add(ANNA, 'chinese', letter('=?utf-8?b?5Y2I6aWt?=', '我们今天吃午饭吗'))
  database.add(ANNA, 'other', letter('Nothing', 'Brunch and launches'))
  database.commit(10)
  return database
}

function ask(database: TextDatabase, part: TextPart, text: string, account = ANNA) {
  const [candidates = null] = database.ask(account, [{ part, text: fold(text) }]).candidates
  return candidates === null ? null : candidates.toSorted()
}

const questions: [part: TextPart, text: string, candidates: string[] | null][] = [
  ['body', 'lunch', ['lunch']],
  ['body', 'unch', ['lunch', 'other']],
  ['body', 'we have', ['lunch']],
  ['body', 'brunch and laun', ['other']],
  ['body', '午饭', ['chinese']],
  ['body', '饭', ['chinese']],
  ['body', '晚饭', []],
  ['body', 'today', []],
  ['header', 'today', ['lunch']],
  ['header', '午饭', ['chinese']],
  ['header', '饭', ['chinese']],
  ['body', '?!', null],
  ['body', 'nowhere', []],
]
for (const [part, text, candidates] of questions) {
  test(`TextDatabase: candidates for ${text} in the ${part}`, () => {
    const database = filled()
    assert.deepEqual(ask(database, part, text), candidates)
    database.close()
  })
}

test('TextDatabase keeps accounts apart', () => {
  const database = filled()
  assert.deepEqual(ask(database, 'body', 'lunch', BOB), ['lunch'])
  assert.deepEqual(ask(database, 'body', '午饭', BOB), [])
  assert.deepEqual(ask(database, 'body', 'lunch', 'cccccccccccccccc'), [])
  database.close()
})

test('TextDatabase shows what was added with commit, with its LSN', () => {
  const database = filled()
  database.add(ANNA, 'new', letter('New', 'Supper'))
  assert.deepEqual(database.missing(ANNA, ['new', 'lunch', 'unknown']), ['unknown'])
  assert.deepEqual(ask(database, 'body', 'supper'), [])
  assert.equal(database.ask(ANNA, []).appliedLsn, 10)
  database.commit(11)
  assert.deepEqual(ask(database, 'body', 'supper'), ['new'])
  assert.equal(database.ask(ANNA, []).appliedLsn, 11)
  database.close()
})

test('TextDatabase has a letter that it does not know whole in every answer', () => {
  const database = filled()
  database.add(ANNA, 'large', null)
  const words = Array.from({ length: 60_000 }, (_, i) => `w${i.toString(36)}x`).join(' ')
  database.add(ANNA, 'many words', letter('Words', words))
  database.commit(12)
  assert.deepEqual(ask(database, 'body', 'lunch'), ['large', 'lunch', 'many words'])
  database.close()
})

test('TextDatabase does not decide when too many words hold the part that is asked for', () => {
  const database = filled()
  const words = Array.from({ length: 1500 }, (_, i) => `a${i}z`).join(' ')
  database.add(ANNA, 'numbers', letter('Numbers', words))
  database.commit(11)
  assert.equal(ask(database, 'body', 'a'), null)
  assert.deepEqual(ask(database, 'body', 'a149'), ['numbers'])
  database.close()
})

test('TextDatabase refuses a file of another schema', () => {
  assert.throws(() => new TextDatabase(import.meta.filename))
})
