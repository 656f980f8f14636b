import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cut, cuts, dottedText, unstuff } from '../testing/chunks.ts'
import { DotStuffer } from './dot-stuffer.ts'

function stuffed(chunks: readonly Buffer[]): Buffer {
  const stuffer = new DotStuffer()
  return Buffer.concat([...chunks.map((chunk) => stuffer.stuff(chunk)), stuffer.end()])
}

const cases: readonly (readonly [name: string, chunks: readonly string[], expected: string])[] = [
  ['ends an empty message with the dot alone', [], '.\r\n'],
  ['ends a message without line end with one', ['a'], 'a\r\n.\r\n'],
  ['completes a line end that was cut off', ['a\r'], 'a\r\n.\r\n'],
  ['doubles a dot at the beginning', ['.a\r\n'], '..a\r\n.\r\n'],
  ['leaves dots inside a line alone', ['a.b.\r\n'], 'a.b.\r\n.\r\n'],
  ['doubles a dot after a line end in another chunk', ['a\r\n', '.b\r\n'], 'a\r\n..b\r\n.\r\n'],
  ['doubles a dot after a line end cut in two', ['a\r', '\n.b\r\n'], 'a\r\n..b\r\n.\r\n'],
  ['doubles a dot with every byte apart', ['a', '\r', '\n', '.', '\r', '\n'], 'a\r\n..\r\n.\r\n'],
  ['does not take an LF alone for a line end', ['a\n.b\r\n'], 'a\n.b\r\n.\r\n'],
  ['passes over empty chunks', ['a\r\n', '', '.'], 'a\r\n..\r\n.\r\n'],
]
for (const [name, chunks, expected] of cases) {
  test(`DotStuffer ${name}`, () => {
    assert.equal(stuffed(chunks.map((chunk) => Buffer.from(chunk))).toString(), expected)
  })
}

test('DotStuffer gives the chunk itself when there is nothing to double', () => {
  const chunk = Buffer.from('no dot at a line start.\r\n')
  assert.equal(new DotStuffer().stuff(chunk), chunk)
})

test('DotStuffer has room for the densest chunk', () => {
  const stuffer = new DotStuffer()
  const chunk = Buffer.from(`.${'\r\n.'.repeat(1000)}`)
  assert.equal(stuffer.stuff(chunk).toString(), `..${'\r\n..'.repeat(1000)}`)
})

test('DotStuffer is undone by a client however the chunks are cut', () => {
  fc.assert(
    fc.property(dottedText, cuts, (text, at) => {
      const whole = text.length === 0 || text.toString('latin1').endsWith('\r\n')
      const message = whole ? text : Buffer.concat([text, Buffer.from('\r\n')])
      assert.deepEqual(unstuff(stuffed(cut(message, at))), message)
    }),
  )
})
