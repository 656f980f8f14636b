import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CommandReader } from '../syntax/command-reader.ts'
import { Tokens } from '../syntax/tokens.ts'
import { astring, binaryString, quoteOrLiteral, responseText } from './strings.ts'

const cases: [text: string, written: string][] = [
  ['', '""'],
  ['plain text', '"plain text"'],
  ['say "\\o/"', '"say \\"\\\\o/\\""'],
  ['two\r\nlines', '{10}\r\ntwo\r\nlines'],
  [binaryString('ü'), '{2}\r\n\xc3\xbc'],
  ['a\0b', '{3}\r\na?b'],
]
for (const [text, written] of cases) {
  test(`quoteOrLiteral() writes ${JSON.stringify(text)}`, () => assert.equal(quoteOrLiteral(text), written))
}

test('quoteOrLiteral() and astring() are read back by the parser', () => {
  const text = fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)) })
  fc.assert(
    fc.property(text, fc.boolean(), (value, short) => {
      const reader = new CommandReader({
        lineBytesMax: 10_000,
        literalsMax: 1,
        nonSyncBytesMax: 10_000,
        skipBytesMax: 0,
        literalBytesMax: () => 10_000,
      })
      const written = short ? astring(value) : quoteOrLiteral(value)
      reader.push(Buffer.from(`t X ${written}\r\n`, 'latin1'))
      let event = reader.next()
      if (event?.kind === 'literal') event = reader.next()
      assert.equal(event?.kind, 'command')
      const tokens = new Tokens(event?.kind === 'command' ? event.command.parts : [])
      tokens.space()
      assert.equal(tokens.astring(), value)
      tokens.end()
    }),
  )
})

test('responseText() never leaves its line', () => {
  assert.equal(responseText('a\r\n* BYE b\0ü'), 'a * BYE b')
  assert.equal(responseText('\r\n'), 'Done')
})
