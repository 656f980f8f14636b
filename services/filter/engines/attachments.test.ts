/** Attachments as senders of malware make them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zipOf } from '#lib/bytes/zip-writer.ts'
import { Letter } from '../letter/letter.ts'
import { AttachmentEngine, marksOf } from './attachments.ts'
import { EICAR, SignatureEngine } from './signatures.ts'

const CONTEXT = { clientAddress: null, helo: null, sender: '', recipients: [], user: null, traceId: null }
const PE = Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200)])
const COMPOUND = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(600)])
const WITH_VBA = Buffer.concat([COMPOUND, Buffer.from('_VBA_PROJECT', 'utf16le')])

for (const [path, content, marks] of [
  ['letter.pdf', Buffer.from('%PDF-1.7\n'), []],
  ['notes.txt', Buffer.from('hello'), []],
  ['setup.exe', PE, ['program']],
  ['holiday.jpg', PE, ['program']],
  ['invoice.pdf.js', Buffer.from('alert(1)'), ['program', 'double-extension']],
  ['invoice.PDF.EXE  ', null, ['program', 'double-extension']],
  ['tool', Buffer.concat([Buffer.from('7f454c46', 'hex'), Buffer.alloc(60)]), ['program']],
  ['photo\u202Egpj.scr', Buffer.from('x'), ['program', 'turned-name']],
  ['old.doc', COMPOUND, []],
  ['old.doc', WITH_VBA, ['macro']],
  ['a.docm/word/vbaProject.bin', Buffer.from('x'), ['macro']],
] as const) {
  test(`marksOf(${JSON.stringify(path)}): ${marks.join(', ') || 'nothing'}`, async () => {
    assert.deepEqual(await marksOf({ path, content }), [...marks])
  })
}

function letterWith(filename: string, content: Buffer): Letter {
  const text = [
    'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n--x\r\n',
    `Content-Type: application/octet-stream; name="${filename}"\r\nContent-Transfer-Encoding: base64\r\n\r\n`,
    content.toString('base64').replace(/.{76}/g, '$&\r\n'),
    '\r\n--x--\r\n',
  ]
  return new Letter(CONTEXT, [], [Buffer.from(text.join(''))])
}

test('what a nested archive holds is found by its way, and its bytes by signatures', async () => {
  const inner = zipOf({ 'run.vbs': Buffer.from(EICAR.pattern) })
  const letter = letterWith('outer.zip', zipOf({ 'inner.zip': inner, 'read.me': Buffer.from('x') }))
  const bounds = { concurrency: 1, bytesMax: 1e9, timeoutMs: 1000 }
  assert.deepEqual(await new AttachmentEngine({ name: 'attachments', ...bounds }).scan(letter), [
    { kind: 'attachment', name: 'program outer.zip/inner.zip/run.vbs', weight: 1 },
  ])
  assert.deepEqual(await new SignatureEngine({ name: 's', ...bounds, signatures: [EICAR] }).scan(letter), [
    { kind: 'virus', name: 'Eicar-Test-Signature', weight: 1 },
  ])
})

test('an encrypted archive is told', async () => {
  const zip = zipOf({ a: Buffer.from('x') })
  const at = zip.indexOf(Buffer.from('504b0102', 'hex'))
  zip.writeUInt16LE(zip.readUInt16LE(at + 8) | 1, at + 8)
  const found = await new AttachmentEngine({ name: 'a', concurrency: 1, bytesMax: 1e9, timeoutMs: 1000 }).scan(
    letterWith('a.zip', zip),
  )
  assert.deepEqual(
    found.map(({ name }) => name),
    ['archive-encrypted a.zip/a'],
  )
})
