import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { charsetDecoder, decodeCharset } from './charset.ts'

const cases: [charset: string | null, hex: string, expected: string][] = [
  ['utf-8', 'e4b8ad e69687', '中文'],
  ['UTF8', 'efbbbf 61', 'a'],
  ['us-ascii', '61', 'a'],
  ['us-ascii', 'e4b8ad', '中'],
  ['us-ascii', 'e4b8', 'ä¸'],
  [null, 'e4', 'ä'],
  ['iso-8859-1', '80 e4', '€ä'],
  ['ISO-8859-15', 'a4', '€'],
  ['koi8-r', 'f0d2c9', 'При'],
  ['gb2312', 'd6d0', '中'],
  ['gbk', '8843', '圕'],
  ['iso-2022-jp', '1b2849 31 1b2842 62', 'ｱb'],
  ['iso-2022-jp', '1b2442 467c 2121 ff', '日\u3000\ufffd'],
  ['iso-2022-jp', '1b2442 467c 0a 467c', '日\n日'],
  ['GB18030', '8130 8130 d6d0 9439 da33', '\u0080中💩'],
  ['big5', 'a4a4 a4e5', '中文'],
  ['shift_jis', '93fa', '日'],
  ['euc-jp', 'c6fc', '日'],
  ['iso-2022-jp', '1b2442 467c 1b2842 61', '日a'],
  ['csISO2022JP', '1b2442 467c 1b2842', '日'],
  ['"iso-8859-8-i"', 'e0', 'א'],
  ['iso-2022-kr', '1b242943 0e 4751 0f 61', '한a'],
  ['hz-gb-2312', '61 7e7b 5650 7e7d 7e7e 7e0a 62', 'a中~b'],
  ['ks_c_5601-1987', 'c7d1', '한'],
  ['utf-7', '2b546930 2d', '中'],
  ['utf-16', 'feff 4e2d', '中'],
  ['utf-16le', '2d4e', '中'],
  ['x-nobody-knows', 'e4b8ad', '中'],
  ['', '61', 'a'],
  ['constructor', '61', 'a'],
]

for (const [charset, hex, expected] of cases) {
  test(`decodeCharset() reads ${hex} as ${charset}`, () => {
    assert.equal(decodeCharset(Buffer.from(hex.replaceAll(' ', ''), 'hex'), charset), expected)
  })
}

function inPieces(charset: string | null, all: Uint8Array, size: number): string {
  const decoder = charsetDecoder(charset)
  let text = ''
  for (let at = 0; at < all.length; at += size) text += decoder.push(all.subarray(at, at + size))
  return text + decoder.finish()
}

const pieceSize = fc.integer({ min: 1, max: 7 })
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .array(fc.constantFrom(...Buffer.from('\x1b\x1b$$()BCDIJ@\x0e\x0f~~{}\nF|!\xff', 'latin1')), {
      size: 'max',
      maxLength: 40,
    })
    .map((list) => Uint8Array.from(list)),
)

test('charsetDecoder() gives the same text for pieces of any size, also of bad bytes where the shifts are ours', () => {
  const shifting = fc.constantFrom('iso-2022-jp', 'iso-2022-kr', 'hz-gb-2312', 'utf-8')
  fc.assert(
    fc.property(shifting, anyBytes, pieceSize, (charset, all, size) => {
      assert.equal(inPieces(charset, all, size), inPieces(charset, all, 100))
    }),
    { numRuns: 1000 },
  )
})

test('charsetDecoder() reads back text in pieces of any size', () => {
  const charsets = fc.constantFrom(
    'utf-8',
    'gb18030',
    'big5',
    'shift_jis',
    'euc-jp',
    'cp949',
    'utf-16le',
    'utf-32le',
    'koi8-r',
  )
  const text = fc.string({ unit: fc.constantFrom('a', ' ', '\n', '中', '文', '日', 'ж', '€'), maxLength: 30 })
  fc.assert(
    fc.property(charsets, text, pieceSize, (charset, original, size) => {
      const bytes = iconv.encode(original, charset)
      const readable = iconv.decode(bytes, charset) // not every charset has every character
      assert.equal(inPieces(charset, bytes, size), readable)
    }),
    { numRuns: 1000 },
  )
})

test('charsetDecoder() guesses the same for UTF-8 in pieces of any size', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((s) => s.isWellFormed())
  fc.assert(
    fc.property(text, pieceSize, (original, size) =>
      assert.equal(inPieces(null, Buffer.from(original), size), original),
    ),
  )
})

test('charsetDecoder() survives any bytes in any charset', () => {
  const names =
    'utf-8 gb18030 big5 big5-hkscs shift_jis cp932 euc-jp cp949 utf-16 utf-16be utf-32 utf-7 cp437 iso-2022-jp-2 x-none'
  fc.assert(
    fc.property(fc.constantFrom(...names.split(' ')), anyBytes, pieceSize, (charset, all, size) => {
      assert.equal(typeof inPieces(charset, all, size), 'string')
    }),
    { numRuns: 2000 },
  )
})
