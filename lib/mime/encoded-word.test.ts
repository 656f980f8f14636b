import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeWords } from './encoded-word.ts'

const cases: [name: string, text: string, expected: string][] = [
  ['leaves plain text', 'hello = world?', 'hello = world?'],
  ['decodes Q', '=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?=', 'Patrik Fältström'],
  ['decodes B', '=?utf-8?B?5Lit5paH?=', '中文'],
  ['decodes words between text', 'Re: =?utf-8?q?=E2=82=AC?= 5', 'Re: € 5'],
  ['drops white space between words', '=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=', 'ab'],
  ['keeps white space between a word and text', '=?ISO-8859-1?Q?a?= b', 'a b'],
  ['joins words without white space', '=?utf-8?Q?a?==?utf-8?Q?b?=', 'ab'],
  ['joins a character that is cut by words', '=?utf-8?B?5Lg=?= =?UTF-8?B?reaWhw==?=', '中文'],
  ['joins a character that is cut by words of both encodings', '=?utf-8?Q?=E4=B8?= =?utf-8?B?rQ==?=', '中'],
  ['keeps words of two charsets apart', '=?iso-8859-1?Q?=E4?= =?gb18030?B?1tA=?=', 'ä中'],
  ['decodes GB18030', '=?gb18030?B?1tDOxIEwgTA=?=', '中文\u0080'],
  ['decodes what calls itself GB2312 and is more', '=?gb2312?B?iEM=?=', '圕'],
  ['decodes Big5', '=?Big5?B?pKSk5Q==?=', '中文'],
  ['decodes ISO-2022-JP', '=?ISO-2022-JP?B?GyRCRnxLXDhsGyhC?=', '日本語'],
  ['decodes Shift_JIS', '=?shift_jis?Q?=93=FA=96=7B?=', '日本'],
  ['decodes EUC-KR', '=?euc-kr?B?x9G5zg==?=', '한민'],
  ['decodes a word with a language', '=?US-ASCII*EN?Q?Keith_Moore?=', 'Keith Moore'],
  ['decodes words inside of quotes', '"=?utf-8?Q?a?="', '"a"'],
  ['accepts spaces in a word', '=?utf-8?Q?a b?=', 'a b'],
  ['accepts missing padding', '=?utf-8?B?5Lit5paH4oKs8J8?=', '中文€\ufffd'],
  ['keeps escapes that are none', '=?utf-8?Q?=G1=4?=', '=G1=4'],
  ['keeps raw text in a word', '=?utf-8?Q?中=41?=', '中A'],
  ['leaves words without an end', '=?utf-8?Q?abc', '=?utf-8?Q?abc'],
  ['leaves words of other encodings', '=?utf-8?X?abc?=', '=?utf-8?X?abc?='],
  ['reads an unknown charset as UTF-8', '=?x-nobody?B?5Lit?=', '中'],
  ['reads an unknown charset as windows-1252 where it is no UTF-8', '=?x-nobody?Q?=E4x?=', 'äx'],
  ['reads bad names of charsets', '=?__proto__?Q?a?= =?base64?Q?b=FC?= =?hex?Q?c?=', 'abüc'],
  ['takes line ends out', '=?utf-8?Q?a=0D=0AB:=00?=', 'a B: '],
  ['decodes an empty word', '=?utf-8?Q??=x', 'x'],
]

for (const [name, text, expected] of cases) {
  test(`decodeWords() ${name}`, () => assert.equal(decodeWords(text), expected))
}

test('decodeWords() reads back any text that was cut into words at any byte', () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .filter((s) => s.isWellFormed() && !/[\r\n\0\ufeff]/.test(s))
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 20 }), fc.boolean(), (original, size, base64) => {
      const bytes = Buffer.from(original)
      const words: string[] = []
      for (let at = 0; at < bytes.length; at += size) {
        const piece = bytes.subarray(at, at + size)
        const content = base64 ? piece.toString('base64') : piece.toString('hex').replace(/../g, '=$&')
        words.push(`=?utf-8?${base64 ? 'B' : 'Q'}?${content}?=`)
      }
      assert.equal(decodeWords(words.join(' ')), original)
    }),
  )
})

test('decodeWords() survives arbitrary text', () => {
  const piece = fc.constantFrom('=?', '?=', '?', '=', 'utf-8', 'q', 'B', 'x', ' ', '_', '=E4', 'QQ')
  fc.assert(
    fc.property(
      fc.array(piece, { size: 'max', maxLength: 40 }),
      (pieces) => typeof decodeWords(pieces.join('')) === 'string',
    ),
  )
})
