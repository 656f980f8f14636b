/** Letters in files: line ends, flags, mbox, Maildir, zip. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import yauzl from 'yauzl'
import { ZipWriter } from '#lib/bytes/zip-writer.ts'
import { isKeyword, statusFields, storableFlags, toCrlf, toLf, withoutStatusFields } from './letter-text.ts'
import type { Letter } from './mailbox-client.ts'
import {
  flagsOfName,
  folderOfMailbox,
  infoOfFlags,
  keywordsText,
  mailboxOfFolder,
  parseKeywords,
  timeOfName,
  uniqueOfName,
} from './maildir.ts'
import { type MboxLetter, mboxEntry, parseMbox } from './mbox.ts'

const text = (value: string) => Buffer.from(value, 'latin1')

test('toCrlf() and toLf() change line ends and nothing else', () => {
  const cases: [from: string, crlf: string][] = [
    ['a\nb\n', 'a\r\nb\r\n'],
    ['a\r\nb\n', 'a\r\nb\r\n'],
    ['\n\n', '\r\n\r\n'],
    ['', ''],
    ['a\rb', 'a\rb'],
    ['\xff\n\x00', '\xff\r\n\x00'],
  ]
  for (const [from, crlf] of cases) assert.equal(toCrlf(text(from)).toString('latin1'), crlf)
  fc.assert(
    fc.property(fc.stringMatching(/^[a-c\n]{0,30}$/), (value) => {
      assert.equal(toLf(toCrlf(text(value))).toString(), value)
    }),
  )
})

async function parsed(...files: Buffer[]): Promise<MboxLetter[]> {
  async function* chunks(): AsyncGenerator<Buffer> {
    yield* files
  }
  const found: MboxLetter[] = []
  for await (const letter of parseMbox(chunks())) found.push(letter)
  return found
}

const line = fc.stringMatching(/^(>{0,2}From |[Ff]rom|Status: x|[a-z>]){0,3}$/)
const letter: fc.Arbitrary<Letter> = fc.record({
  bytes: fc
    .array(line, { maxLength: 6 })
    .map((lines) => text(`Subject: x\r\n\r\n${lines.map((one) => `${one}\r\n`).join('')}`)),
  flags: fc.subarray(['\\Seen', '\\Answered', '\\Flagged', '\\Draft', '\\Deleted', '$Forwarded', 'work']),
  date: fc.integer({ min: 1, max: 4_000_000_000 }).map((seconds) => new Date(seconds * 1000)),
})

test('parseMbox() reads back what mboxEntry() wrote, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(letter, { maxLength: 4 }), fc.integer({ min: 1, max: 50 }), async (letters, size) => {
      const file = Buffer.concat(letters.map(mboxEntry))
      const pieces: Buffer[] = []
      for (let at = 0; at < file.length; at += size) pieces.push(file.subarray(at, at + size))
      const found = await parsed(...pieces)
      assert.deepEqual(
        found.map(({ bytes, date }) => [bytes.toString('latin1'), date.getTime()]),
        letters.map(({ bytes, date }) => [bytes.toString('latin1'), date.getTime()]),
      )
      assert.deepEqual(
        found.map(({ flags }) => [...flags].sort()),
        letters.map(({ flags }) => [...flags].sort()),
      )
    }),
    { numRuns: 60 },
  )
})

test('parseMbox() takes what other programs write', async () => {
  const file = text(
    'From anna@a.example  Mon Jan  5 10:20:30 2026 +0100\nStatus: RO\nX-Status: AF\nX-Keywords: work, $Junk\nSubject: a\n\nFrom the start\nof it\n\nFrom b Thu Jan  1 00:00:00 1998\r\nSubject: b\r\n\r\n>From x\r\n',
  )
  const [first, second] = await parsed(file)
  assert.equal(first?.bytes.toString(), 'Subject: a\r\n\r\nFrom the start\r\nof it\r\n')
  assert.deepEqual(first?.flags, ['\\Seen', '\\Answered', '\\Flagged', 'work', '$Junk'])
  assert.equal(first?.date.toISOString(), '2026-01-05T09:20:30.000Z')
  assert.equal(second?.bytes.toString(), 'Subject: b\r\n\r\nFrom x\r\n')
  assert.equal(second?.offset, file.indexOf('From b'))
  await assert.rejects(parsed(text('Subject: no mbox\n\nx\n')), /no mbox file/)
})

test('withoutStatusFields() leaves the body and folded fields alone', () => {
  const kept = 'Subject: a\n Status: R\nTo: x\n'
  const { bytes, flags } = withoutStatusFields(text(`${statusFields(['\\Seen'])}${kept}\nStatus: A\n`))
  assert.equal(bytes.toString(), `${kept}\nStatus: A\n`)
  assert.deepEqual(flags, ['\\Seen'])
})

test('storableFlags() keeps what IMAP can store', () => {
  assert.deepEqual(storableFlags(['\\Seen', '\\Recent', '\\X', '$Junk', 'a b', 'ok', 'per%cent']), [
    '\\Seen',
    '$Junk',
    'ok',
  ])
  assert.ok(isKeyword('NonJunk') && !isKeyword('(') && !isKeyword(''))
})

test('Maildir names tell flags, keywords, times and folders', () => {
  const keywords: string[] = []
  const info = infoOfFlags(['\\Seen', '\\Flagged', 'work', '$Forwarded', '\\Draft', 'home'], keywords)
  assert.equal(info, ':2,DFPSab')
  assert.deepEqual(parseKeywords(keywordsText(keywords)), ['work', 'home'])
  assert.deepEqual(flagsOfName(`1700000000.M1.host${info}`, keywords), [
    '\\Draft',
    '\\Flagged',
    '$Forwarded',
    '\\Seen',
    'work',
    'home',
  ])
  assert.deepEqual(flagsOfName('new', []), [])
  assert.equal(uniqueOfName('1700000000.M1.host,S=5:2,FS'), '1700000000.M1.host,S=5')
  assert.equal(timeOfName('1700000000.M1.host'), 1_700_000_000)
  assert.equal(timeOfName('odd'), null)
  for (const path of [['INBOX'], ['Sent'], ['A', 'B']]) assert.deepEqual(mailboxOfFolder(folderOfMailbox(path)), path)
})

test('ZipWriter writes what others can read, also without entries', async () => {
  for (const wanted of [
    [],
    [
      ['INBOX/1.eml', 'hello'],
      ['Entwürfe/空.eml', ''],
      ['big', 'x'.repeat(300_000)],
    ],
  ] as [string, string][][]) {
    const folder = mkdtempSync(join(tmpdir(), 'twinpost-zip-'))
    const pieces: Buffer[] = []
    const zip = new ZipWriter()
    for (const [name, content] of wanted)
      pieces.push(zip.add(name, Buffer.from(content), new Date('2026-11-25T12:00:00Z')))
    pieces.push(zip.end())
    const file = join(folder, 'x.zip')
    writeFileSync(file, Buffer.concat(pieces))
    const found: [string, string][] = []
    const opened = await yauzl.openPromise(file, { lazyEntries: true })
    for await (const entry of opened.eachEntry()) {
      const chunks: Buffer[] = []
      for await (const chunk of await opened.openReadStreamPromise(entry)) chunks.push(chunk)
      found.push([entry.fileName, Buffer.concat(chunks).toString()])
      assert.equal(
        entry.getLastModDate({ forceDosFormat: true, timezone: 'UTC' }).toISOString(),
        '2026-11-25T12:00:00.000Z',
      )
    }
    assert.deepEqual(found, wanted)
    rmSync(folder, { recursive: true })
  }
})
