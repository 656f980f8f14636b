import assert from 'node:assert/strict'
import { isAscii } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { envelope, Headers } from '#lib/mime/mod.ts'
import { surrogateHeader } from './surrogate.ts'

const headers = (...lines: string[]) => new Headers(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))
const surrogate = (...lines: string[]) => surrogateHeader(headers(...lines))

test('surrogateHeader() leaves fields of ASCII byte for byte, and the blank line', () => {
  const block = Buffer.from('From: a@b.test\r\nsubject:  x\r\n y\r\nX: \r\n\r\n')
  assert.deepEqual(surrogateHeader(new Headers(block)), block)
})

test('surrogateHeader() shows whom an address belongs to, and gives one that nobody has', () => {
  const [address] = envelope(new Headers(surrogate('From: 安娜 <安娜@例子.test>'))).from ?? []
  assert.deepEqual([address?.mailbox, address?.host], ['invalid', 'internationalized-address.invalid'])
  const [bare] = envelope(new Headers(surrogate('From: 安娜@例子.test'))).from ?? []
  assert.equal(Buffer.from(/\?B\?(.*)\?=/.exec(bare?.name ?? '')?.[1] ?? '', 'base64').toString(), '安娜@例子.test')
})

test('surrogateHeader() keeps what the structure of a letter hangs on', () => {
  const text = surrogate('Content-Type: multipart/mixed; boundary="b"; x="ü"').toString()
  assert.equal(text, 'Content-Type: multipart/mixed; boundary="b"; x="?"\r\n\r\n')
})

test('surrogateHeader() is ASCII, and a header, whatever the letter has', () => {
  const name = fc.constantFrom('From', 'To', 'Cc', 'Subject', 'X-Note', 'Content-Type', 'Received', 'Reply-To')
  const value = fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, ' '))
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (fields) => {
      const made = surrogate(...fields.map(([key, text]) => `${key}: ${text}`))
      assert.ok(isAscii(made))
      assert.ok(made.toString().endsWith('\r\n'))
      for (const field of new Headers(made).fields)
        assert.ok(
          fields.some(([key]) => key === field.name),
          field.name,
        )
    }),
  )
})
