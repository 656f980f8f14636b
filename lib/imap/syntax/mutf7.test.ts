import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeMutf7, encodeMutf7 } from './mutf7.ts'

const cases: [name: string, wire: string, decoded: string | null][] = [
  ['leaves ASCII as it is', 'INBOX/Sent Items', 'INBOX/Sent Items'],
  ['reads the example of RFC 3501 section 5.1.3', '~peter/mail/&U,BTFw-/&ZeVnLIqe-', '~peter/mail/台北/日本語'],
  ['reads an escaped ampersand', 'Q&-A', 'Q&A'],
  ['reads characters beyond the basic plane', '&2D3cjA-', '\u{1F48C}'],
  ['refuses a shift without an end', 'a&Jjo', null],
  ['refuses a superfluous shift', '&Jjo-&Jjo-', null],
  ['refuses encoded ASCII', '&AEE-', null],
  ['refuses half a surrogate pair', '&2D0-', null],
  ['refuses bits beyond the last character', '&Jjp-', null],
  ['refuses raw 8-bit', 'Entw\xfcrfe', null],
  ['refuses a lone ampersand', 'a&b', null],
  ['refuses plain base64 with a slash', '&U/BTFw-', null],
]
for (const [name, wire, decoded] of cases) {
  test(`decodeMutf7() ${name}`, () => assert.equal(decodeMutf7(wire), decoded))
}

test('encodeMutf7() gives what decodeMutf7() reads back, for every name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const wire = encodeMutf7(name)
      assert.match(wire, /^[\x20-\x7e]*$/)
      assert.equal(decodeMutf7(wire), name.toWellFormed())
    }),
  )
})

test('decodeMutf7() gives each name for one spelling only', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('&', '-', 'A', 'J', 'j', 'o', ',', '+', '/', 'Q') }), (wire) => {
      const name = decodeMutf7(wire)
      if (name !== null) assert.equal(encodeMutf7(name), wire)
    }),
  )
})
