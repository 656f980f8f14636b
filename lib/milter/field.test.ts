/** Header fields on their way through a milter. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { joinField, splitField } from './field.ts'

test('a field keeps its folds and its space', () => {
  assert.deepEqual(splitField('Subject:  a\r\n\tb\r\n', true), { name: 'Subject', value: '  a\n\tb' })
  assert.deepEqual(splitField('Subject: a', false), { name: 'Subject', value: 'a' })
  assert.deepEqual(splitField('Subject:a', false), { name: 'Subject', value: 'a' })
  assert.deepEqual(splitField('no colon\r\n', true), { name: 'no colon', value: '' })
})

test('what a filter says can never begin another field', () => {
  assert.equal(joinField({ name: 'A\nB', value: 'c\nD: e' }, false), 'AB: c\r\n D: e\r\n')
  assert.equal(joinField({ name: 'A', value: 'b\r\n\r\nbody' }, true), 'A:b\r\n \r\n body\r\n')
})

test('with the leading space agreed a field survives byte for byte', () => {
  const name = fc.stringMatching(/^[!-9;-~]{1,10}$/)
  const line = fc.stringMatching(/^[\x20-\x7e\t\x80-\xff]{0,12}$/)
  const folded = fc.tuple(fc.constantFrom(' ', '\t'), line).map(([fold, text]) => `\r\n${fold}${text}`)
  fc.assert(
    fc.property(name, line, fc.array(folded, { maxLength: 4 }), (fieldName, first, folds) => {
      const field = `${fieldName}:${first}${folds.join('')}\r\n`
      assert.equal(joinField(splitField(field, true), true), field)
    }),
  )
})
