import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteOf } from './edge-notes.ts'

test('noteOf() reads what edges log of a letter, and nothing else', () => {
  const line = {
    level: 'info',
    trace: 't',
    messageId: 'a@b',
    from: 'x@y',
    to: ['z@y'],
    result: 'stored',
    msg: 'letter',
  }
  assert.deepEqual(noteOf(JSON.stringify(line)), {
    trace: 't',
    messageId: 'a@b',
    from: 'x@y',
    to: ['z@y'],
    result: 'stored',
    action: '',
    recipient: '',
    reasons: [],
  })
  const marks = { trace: 't', recipient: 'z@y', action: 'junk', reasons: ['spam'], msg: 'filter marks a letter' }
  assert.deepEqual([noteOf(JSON.stringify(marks))?.action, noteOf(JSON.stringify(marks))?.reasons], ['junk', ['spam']])
  for (const other of ['', '{"trace":"t","msg":"something else"}', '{"trace":"t","msg":"letter"', 'trace']) {
    assert.equal(noteOf(other), null)
  }
})
