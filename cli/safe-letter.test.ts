import assert from 'node:assert/strict'
import { test } from 'node:test'
import { safeLetter, safeLine, safeText } from './safe-letter.ts'

test('safeText() lets nothing through that a terminal acts on', () => {
  assert.equal(safeText('a\u001b[2Jb\u0007\u009b1m\r\nc\td'), 'a\\u{1b}[2Jb\\u{7}\\u{9b}1m\nc\td')
  assert.equal(safeLine('gpj.\u202eexe\r\n x'), 'gpj.\\u{202e}exe x')
})

test('safeLetter() tells fields, words, links and attachments, and nothing that acts', () => {
  const letter = [
    'Delivered-To: anna@example.test',
    'Subject: =?utf-8?q?Gru=C3=9F=1B[2J?=',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/html; charset=utf-8',
    '',
    '<script>alert(1)</script><p>Look <a href="https://evil.example/">https://bank.example</a></p>',
    '--b',
    'Content-Type: application/zip; name="a.zip"',
    'Content-Transfer-Encoding: base64',
    '',
    'UEsDBA==',
    '--b--',
    '',
  ].join('\r\n')
  const { fields, text, links, attachments } = safeLetter(Buffer.from(letter))
  assert.deepEqual(fields[0], { name: 'Delivered-To', value: 'anna@example.test' })
  assert.equal(fields[1]?.value, 'Gruß\\u{1b}[2J')
  assert.equal(text, 'Look https://bank.example')
  assert.deepEqual(links, [{ href: 'https://evil.example/', text: 'https://bank.example' }])
  assert.deepEqual(
    attachments.map(({ name, type }) => [name, type]),
    [['a.zip', 'application/zip']],
  )
})
