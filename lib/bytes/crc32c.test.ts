import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c } from './crc32c.ts'

const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
// RFC 3720 appendix B.4 (CRC examples), and the check value of the CRC catalogue.
const vectors: [name: string, bytes: Uint8Array, crc: number][] = [
  ['nothing', new Uint8Array(0), 0],
  ['the digits 1 to 9', Buffer.from('123456789'), 0xe306_9283],
  ['32 zeros', new Uint8Array(32), 0x8a91_36aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8_ab43],
  ['32 ascending bytes', ascending, 0x46dd_794e],
  ['32 descending bytes', ascending.toReversed(), 0x113f_db5c],
]
for (const [name, bytes, crc] of vectors) {
  test(`crc32c() knows ${name}`, () => assert.equal(crc32c(bytes), crc))
}

/** The definition, bit by bit. */
function slowly(bytes: Uint8Array): number {
  let c = 0xffff_ffff
  for (const byte of bytes) {
    c ^= byte
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f6_3b78 : c >>> 1
  }
  return ~c >>> 0
}

test('crc32c() equals the definition at every alignment and length around the word form', () => {
  const source = Buffer.alloc(700)
  for (let i = 0; i < source.length; i++) source[i] = (i * 2_654_435_761) >>> 11
  for (let offset = 0; offset < 5; offset++) {
    for (let length = 0; length < 300; length++) {
      const piece = source.subarray(offset, offset + length)
      assert.equal(crc32c(piece), slowly(piece), `offset ${offset}, length ${length}`)
    }
  }
})

test('crc32c() goes on from a seed as if the pieces were one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.uint8Array({ maxLength: 600 }), (a, b) => {
      assert.equal(crc32c(b, crc32c(a)), slowly(Buffer.concat([a, b])))
    }),
  )
})
