import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { QUOTED_PRINTABLE_LINE_BYTES_MAX } from './limits.ts'
import { transferDecoder } from './transfer.ts'

function decode(encoding: string, bytes: Uint8Array, size = bytes.length || 1): Buffer {
  const decoder = transferDecoder(encoding)
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(Buffer.from(decoder.push(bytes.subarray(at, at + size))))
  return Buffer.concat([...pieces, decoder.finish()])
}

const cases: [name: string, encoding: string, text: string, expected: string][] = [
  ['leaves 7bit as it is', '7bit', 'a=41\r\n', 'a=41\r\n'],
  ['leaves unknown encodings as they are', 'x-uuencode', 'begin', 'begin'],
  ['decodes base64 over lines', 'BASE64', 'aGVs\r\nbG8g\r\n\r\nd29ybGQ=\r\n', 'hello world'],
  ['skips what is not base64', 'base64', 'aG!Vs *bG8\0=', 'hello'],
  ['goes on after padding', 'base64', 'aGk=aGk=', 'hihi'],
  ['accepts missing padding', 'base64', 'aGk', 'hi'],
  ['accepts nothing but padding', 'base64', '====', ''],
  ['decodes escapes in both cases', 'Quoted-Printable', 'a=3D=c3=A9', 'a=\u00c3\u00a9'],
  ['joins soft line ends', 'quoted-printable', 'one=\r\ntwo=  \r\nthree=\nfour', 'onetwothreefour'],
  ['keeps hard line ends as they are', 'quoted-printable', 'one\r\ntwo\nthree\r\n', 'one\r\ntwo\nthree\r\n'],
  ['drops white space before a line end', 'quoted-printable', 'one \t\r\n \r\ntwo  ', 'one\r\n\r\ntwo'],
  ['keeps an encoded space before a line end', 'quoted-printable', 'one=20\r\n', 'one \r\n'],
  ['keeps escapes that are none', 'quoted-printable', '=G1=4\r\n=\u00e9==41', '=G1=4\r\n=\u00e9=A'],
  ['drops a soft line end at the end', 'quoted-printable', 'one=', 'one'],
  ['keeps a bare CR', 'quoted-printable', 'a\rb\r', 'a\rb\r'],
]

for (const [name, encoding, text, expected] of cases) {
  test(`transferDecoder() ${name}`, () => {
    const bytes = Buffer.from(text, 'latin1')
    for (const size of [bytes.length, 1, 2, 3]) assert.equal(decode(encoding, bytes, size).toString('latin1'), expected)
  })
}

const body = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .array(fc.constantFrom('=', '=3D', '=\r\n', ' ', '\r\n', '\n', 'QUJD', 'Q', '==', 'x'), {
      maxLength: 40,
      size: 'max',
    })
    .map((pieces) => Buffer.from(pieces.join(''))),
)

test('transferDecoder() gives the same bytes for pieces of any size', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('base64', 'quoted-printable'),
      body,
      fc.integer({ min: 1, max: 9 }),
      (encoding, bytes, size) => {
        assert.deepEqual(decode(encoding, bytes, size), decode(encoding, bytes))
      },
    ),
    { numRuns: 1000 },
  )
})

test('transferDecoder() reads back what was encoded', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 90 }), (bytes, size) => {
      const lines = Buffer.from(bytes)
        .toString('base64')
        .replace(/.{1,76}/g, '$&\r\n')
      assert.deepEqual(decode('base64', Buffer.from(lines), size), Buffer.from(bytes))
      const escaped = Buffer.from(bytes).toString('hex').replace(/../g, '=$&').replace(/.{75}/g, '$&=\r\n')
      assert.deepEqual(decode('quoted-printable', Buffer.from(escaped), size), Buffer.from(bytes))
    }),
  )
})

test('transferDecoder() gives out a quoted-printable line of any length', () => {
  const decoder = transferDecoder('quoted-printable')
  const piece = Buffer.from('=41'.repeat(10_000))
  let given = 0
  for (let i = 0; i < 20; i++) given += decoder.push(piece).length
  assert.ok(given * 3 >= 20 * piece.length - QUOTED_PRINTABLE_LINE_BYTES_MAX)
  assert.equal(given + decoder.finish().length, 200_000)
})
