/** Letters in the world's charsets: encoded as the standards want, and raw as many senders do. */
import iconv from 'iconv-lite'
import { base64Lines, encodedWord, join, letter, lines, quotedPrintable } from '../generate.ts'
import type { Shape } from '../shape.ts'

const CHINESE = '您好：附件是本月的邮件系统报告，请查收。谢谢！'
const TRADITIONAL = '您好：附件是本月的郵件系統報告，請查收。謝謝！'
const JAPANESE = 'こんにちは。今月のメール報告書を送ります。'
const GERMAN = 'Grüße aus München: der Bericht ist überfällig.'
const EMOJI = '👩‍👩‍👧 ✉️ 🇨🇳 e\u0301 \u200f\u202eabc'

/** One charset three ways: raw 8-bit body, base64 body with encoded words, raw 8-bit header. */
function threeWays(label: string, charset: string, text: Buffer): Shape[] {
  const type = `Content-Type: text/plain; charset=${charset}`
  return [
    {
      name: `${label}-8bit-body`,
      make: (name) => letter(name, ['MIME-Version: 1.0', type, 'Content-Transfer-Encoding: 8bit'], lines(text, text)),
    },
    {
      name: `${label}-encoded-words-and-base64`,
      make: (name) =>
        letter(
          name,
          ['MIME-Version: 1.0', type, 'Content-Transfer-Encoding: base64', `X-Subject: ${encodedWord(text, charset)}`],
          base64Lines(text),
        ),
    },
    {
      name: `${label}-raw-header`,
      make: (name) =>
        letter(
          name,
          ['MIME-Version: 1.0', type, join('X-Subject: ', text), join('Cc: "', text, '" <c@example.test>')],
          lines(text),
        ),
    },
  ]
}

/** RFC 1468: JIS X 0208 between ESC $ B and ESC ( B; its two bytes are those of EUC-JP without the high bit. */
function iso2022jp(text: string): Buffer {
  const euc = iconv.encode(text, 'euc-jp')
  return join('\u001b$B', Buffer.from(euc.map((byte) => byte & 0x7f)), '\u001b(B')
}

export const charsetShapes: readonly Shape[] = [
  ...threeWays('utf-8', 'utf-8', Buffer.from(`${CHINESE}${EMOJI}`)),
  ...threeWays('gb18030', 'gb18030', iconv.encode(CHINESE, 'gb18030')),
  ...threeWays('big5', 'big5', iconv.encode(TRADITIONAL, 'big5')),
  ...threeWays('iso-2022-jp', 'iso-2022-jp', iso2022jp(JAPANESE)),
  ...threeWays('shift-jis', 'shift_jis', iconv.encode(JAPANESE, 'shift_jis')),
  {
    name: 'gb18030-four-byte-characters',
    make: (name) =>
      letter(name, ['Content-Type: text/plain; charset=GB18030'], lines(iconv.encode('𠮷𡈽 ₣ €', 'gb18030'))),
  },
  {
    name: 'gbk-labelled-gb2312',
    make: (name) => letter(name, ['Content-Type: text/plain; charset="gb2312"'], lines(iconv.encode('镕喆', 'gbk'))),
  },
  {
    name: 'iso-8859-1-quoted-printable',
    make: (name) =>
      letter(
        name,
        [
          'Content-Type: text/plain; charset=iso-8859-1',
          'Content-Transfer-Encoding: quoted-printable',
          'X-Subject: =?iso-8859-1?q?Gr=FC=DFe_aus_M=FCnchen?=',
        ],
        quotedPrintable(Buffer.from(GERMAN, 'latin1')),
      ),
  },
  {
    name: 'charset-unknown',
    make: (name) =>
      letter(name, ['Content-Type: text/plain; charset=x-no-such'], lines(Buffer.from([0xe4, 0xf6, 0xfc]))),
  },
  {
    name: 'charset-wrong',
    make: (name) => letter(name, ['Content-Type: text/plain; charset=utf-8'], lines(iconv.encode(CHINESE, 'gb18030'))),
  },
  {
    name: 'all-bytes-but-the-forbidden',
    make: (name) =>
      letter(
        name,
        ['Content-Type: application/octet-stream', 'Content-Transfer-Encoding: 8bit'],
        lines(
          Buffer.from(
            Array.from({ length: 256 }, (_, i) => i).filter((byte) => byte !== 0 && byte !== 10 && byte !== 13),
          ),
        ),
      ),
  },
  {
    name: 'encoded-words-malformed',
    make: (name) =>
      letter(
        name,
        [
          'X-A: =?utf-8?B?@@@?=',
          'X-B: =?utf-8?X?abc?=',
          'X-C: =?utf-8?Q?=GG?=',
          'X-D: =?utf-8?Q?open',
          `X-E: =?${'c'.repeat(300)}?Q?a?=`,
        ],
        'x\r\n',
      ),
  },
  { name: 'encoded-word-split-inside-a-character', make: splitWord },
  {
    name: 'rfc-2231-file-names',
    make: (name) =>
      letter(
        name,
        [
          "Content-Type: application/pdf; name*0*=utf-8'zh'%E6%8A%A5; name*1*=%E5%91%8A; name*2=.pdf",
          'Content-Disposition: attachment; filename*=gb18030\'\'%B1%A8%B8%E6.pdf; filename="=?gb2312?B?sai45g==?=.pdf"',
        ],
        'x\r\n',
      ),
  },
]

function splitWord(name: string): Buffer {
  const text = Buffer.from(CHINESE)
  const words = [encodedWord(text.subarray(0, 10), 'utf-8'), encodedWord(text.subarray(10), 'utf-8')]
  return letter(name, [`X-Subject: ${words.join('\r\n ')}`], 'x\r\n')
}
