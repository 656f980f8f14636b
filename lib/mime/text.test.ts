import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMessage } from './scanner.ts'
import { PartTextDecoder, partText, textParts } from './text.ts'

const cases: [name: string, fields: string, body: string, expected: string][] = [
  ['reads plain UTF-8 that says nothing', '', Buffer.from('naïve').toString('latin1'), 'naïve'],
  [
    'decodes GB18030 in base64',
    'Content-Type: text/plain; charset=gb18030\r\nContent-Transfer-Encoding: base64\r\n',
    '1tA=\r\n',
    '中',
  ],
  [
    'decodes Big5 in 8bit',
    'Content-Type: text/plain; charset="Big5"\r\nContent-Transfer-Encoding: 8bit\r\n',
    '\xa4\xa4\xa4\xe5',
    '中文',
  ],
  ['decodes ISO-2022-JP in 7bit', 'Content-Type: text/plain; charset=iso-2022-jp\r\n', '\x1b$BF|K\\\x1b(B!', '日本!'],
  ['decodes quoted-printable', 'Content-Transfer-Encoding: quoted-printable\r\n', 'caf=C3=\r\n=A9', 'café'],
  ['reads HTML as it is', 'Content-Type: text/html; charset=utf-8\r\n', '<b>x</b>', '<b>x</b>'],
]

for (const [name, fields, body, expected] of cases) {
  test(`partText() ${name}`, () => {
    const bytes = Buffer.from(`${fields}\r\n${body}`, 'latin1')
    const { root } = parseMessage(bytes)
    assert.equal(partText(root, bytes), expected)
    const decoder = new PartTextDecoder(root)
    let text = ''
    for (let at = root.headerEnd; at < root.bodyEnd; at++) text += decoder.push(bytes.subarray(at, at + 1))
    assert.equal(text + decoder.finish(), expected)
  })
}

test('textParts() finds the texts of a message in order, embedded messages included, and nothing else', () => {
  const message = Buffer.from(
    [
      'Content-Type: multipart/mixed; boundary=b\r\n',
      '--b\r\n\r\none',
      '--b\r\nContent-Type: image/png\r\n\r\ntwo',
      '--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\n\r\nthree',
      '--b\r\nContent-Type: text/calendar\r\n\r\nfour',
      '--b--\r\n',
    ].join('\r\n'),
  )
  const texts = textParts(parseMessage(message)).map((part) => [part.subtype, partText(part, message)])
  assert.deepEqual(texts, [
    ['plain', 'one'],
    ['html', 'three'],
    ['calendar', 'four'],
  ])
})
