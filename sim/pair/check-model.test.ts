import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Model, type Shown, type Text } from './check-model.ts'

const BOX = { account: 'anna', uidValidity: 1, uidNext: 10, modSeq: 10 }

function text(name: string): Text {
  return { name, bytes: Buffer.from(`X-Text: ${name}\r\n\r\n`), once: true }
}

function shows(...messages: [uid: number, text: Text, flags?: string[]][]): Shown {
  const shown = messages.map(([uid, { bytes }, flags = []]) => ({ uid, emailId: `e${uid}`, flags, bytes }))
  return { ...BOX, messages: shown }
}

/** One letter is acknowledged at 10, one at 20; the first one gets a flag at 21, and a third one is expunged at 22. */
function modelAt30() {
  const model = new Model()
  const texts = { one: text('one'), two: text('two'), three: text('three'), other: text('other') }
  for (const one of Object.values(texts)) model.sends(one)
  model.mailbox('anna', 1, 5)
  model.added('anna', 1, 1, texts.one, 10)
  model.added('anna', 1, 3, texts.three, 11)
  model.added('anna', 1, 2, texts.two, 20)
  model.flagged('anna', 1, 1, '\\Seen', 21)
  model.removes('anna', 1, [3])([3], 22)
  return { model, texts }
}

test('Model wants everything that was answered, and nothing that was expunged', () => {
  const { model, texts } = modelAt30()
  const { one, two, three } = texts
  model.shown(shows([1, one, ['\\Seen']], [2, two]), 30, 31)
  assert.throws(() => model.shown(shows([1, one, ['\\Seen']]), 32, 33), /two\) was there and is gone/)
  assert.throws(() => model.shown(shows([1, one], [2, two]), 32, 33), /lost its flag/)
  assert.throws(() => model.shown(shows([1, one, ['\\Seen']], [2, two], [3, three]), 32, 33), /came back/)
})

test('Model.giveUp() wants only what was answered before', () => {
  const { model, texts } = modelAt30()
  const { one, two, three } = texts
  model.giveUp(15)
  model.shown(shows([1, one], [3, three]), 30, 31)
  model.shown(shows([1, one], [2, two]), 32, 33)
  assert.throws(() => model.shown(shows([2, two]), 34, 35), /one\) was there and is gone/)
})

test('Model.giveUp() lets no UID mean anything else, and no counter go back', () => {
  const { model, texts } = modelAt30()
  model.shown(shows([1, texts.one, ['\\Seen']], [2, texts.two]), 24, 25)
  model.giveUp(15)
  const reused = shows([1, texts.one], [2, texts.other])
  assert.throws(() => model.shown(reused, 30, 31), /UID 2 of anna\/1 means two and other/)
  assert.throws(() => model.shown({ ...shows([1, texts.one]), uidNext: 9 }, 32, 33), /UIDNEXT .* went from 10 to 9/)
  assert.throws(() => model.shown({ ...shows([1, texts.one]), modSeq: 9 }, 32, 33), /MODSEQ .* went from 10 to 9/)
})
