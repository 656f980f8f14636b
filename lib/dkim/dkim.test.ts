import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { dkimVerify } from 'mailauth'
import { dkimKey, dkimSignatures, type LetterDigest, LetterDigester } from './mod.ts'
import { RelaxedBody } from './relaxed-body.ts'

const DOMAIN = 'example.test'
const PEM = { type: 'pkcs8', format: 'pem' } as const
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const ed25519 = generateKeyPairSync('ed25519')
const keys = [
  dkimKey('tp1-rsa', rsa.privateKey.export(PEM).toString()),
  dkimKey('tp1-ed25519', ed25519.privateKey.export(PEM).toString()),
]
const der = { type: 'spki', format: 'der' } as const
const RECORDS: Readonly<Record<string, string>> = {
  'tp1-rsa._domainkey.example.test': `v=DKIM1; k=rsa; p=${createPublicKey(rsa.privateKey).export(der).toString('base64')}`,
  'tp1-ed25519._domainkey.example.test': `v=DKIM1; k=ed25519; p=${createPublicKey(ed25519.privateKey).export(der).subarray(-32).toString('base64')}`,
}
const NOW_MS = Date.parse('2026-03-01T10:00:00Z')

function digest(letter: string, cut = letter.length): LetterDigest | null {
  const digester = new LetterDigester()
  const bytes = Buffer.from(letter, 'latin1')
  for (let at = 0; at < bytes.length; at += cut) digester.push(bytes.subarray(at, at + cut))
  return digester.end()
}

async function signed(letter: string): Promise<string> {
  const found = digest(letter)
  assert.ok(found !== null)
  return (await dkimSignatures(found, DOMAIN, keys, NOW_MS)) + letter
}

/** What mailauth says of each signature. */
async function verdicts(letter: string): Promise<string[]> {
  const resolver = async (name: string) => [[RECORDS[name] ?? '']]
  const { results } = await dkimVerify(Buffer.from(letter, 'latin1'), { resolver, curTime: new Date(NOW_MS + 60_000) })
  return results.map(({ algo, status }: { algo?: string; status: { result: string } }) => `${algo} ${status.result}`)
}
const BOTH = ['rsa-sha256 pass', 'ed25519-sha256 pass']

const HEADER = [
  'Received: by mx.example.test',
  'From: Anna\r\n  <anna@example.test>',
  'To: ben@example.net,\r\n\tcleo@example.net',
  'subject :  two   blanks\tand a tab  ',
  'Date: Sun, 1 Mar 2026 10:00:00 +0000',
  'Message-ID: <1@example.test>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
  '',
].join('\r\n')

const letters: readonly [name: string, letter: string][] = [
  ['a plain letter', `${HEADER}\r\nHello\r\n`],
  ['blanks and empty lines', `${HEADER}\r\n\r\n\r\nHello \t  world  \r\n \t\r\n\r\nend\t\r\n\r\n \r\n\r\n`],
  ['no body', `${HEADER}\r\n`],
  ['a body of empty lines', `${HEADER}\r\n\r\n\r\n \r\n`],
  ['a body without a line end', `${HEADER}\r\nHello`],
  ['eight bits', `${HEADER}\r\nGr\xc3\xbc\xc3\x9fe \xff\xfe\r\n`],
  ['no blank line', HEADER],
  ['two From', `From: <anna@example.test>\r\n${HEADER}\r\nHello\r\n`],
  ['an empty Subject', `From: <anna@example.test>\r\nSubject:\r\n\r\nHello\r\n`],
  ['a long letter', `${HEADER}\r\n${'x  y\t z \r\n'.repeat(40_000)}\r\n\r\n`],
]
for (const [name, letter] of letters) {
  test(`Signatures of ${name} are good for mailauth`, async () => {
    assert.deepEqual(await verdicts(await signed(letter)), BOTH)
  })
}

const changes: readonly [name: string, change: (letter: string) => string][] = [
  ['another Subject', (letter) => letter.replace('two', 'one')],
  ['another body', (letter) => letter.replace('Hello', 'Hallo')],
  ['more body', (letter) => `${letter}more\r\n`],
  ['a second From before it', (letter) => `From: <eve@evil.example>\r\n${letter}`],
  ['a second Subject before it', (letter) => `Subject: other\r\n${letter}`],
  ['a Cc that was not there', (letter) => `Cc: eve@evil.example\r\n${letter}`],
  ['a Content-Transfer-Encoding that was not there', (letter) => `Content-Transfer-Encoding: base64\r\n${letter}`],
]
for (const [name, change] of changes) {
  test(`Signatures break by ${name}`, async () => {
    const letter = change(await signed(`${HEADER}\r\nHello\r\n`))
    assert.ok(!(await verdicts(letter)).some((verdict) => verdict.endsWith('pass')))
  })
}
test('Signatures bear what servers on the way may do', async () => {
  const letter = await signed(`${HEADER}\r\nHello\r\n`)
  const moved = `Received: by mx.example.net\r\n${letter.replace('Hello', 'Hello').replaceAll('\r\n\t', '\r\n  ')}\r\n\r\n`
  assert.deepEqual(await verdicts(moved), BOTH)
})

test('Lines of a signature are no longer than 78 characters', async () => {
  const letter = await signed(`${HEADER}\r\nHello\r\n`)
  const signature = letter.slice(0, letter.indexOf('Received'))
  for (const line of signature.split('\r\n')) assert.ok(line.length <= 78, `${line.length}: ${line}`)
})

for (const [name, letter] of [
  ['without From', 'Subject: x\r\n\r\nHello\r\n'],
  ['without a header', 'Hello\r\n\r\nHello\r\n'],
  ['with a line in its header that is no field', 'From: <a@example.test>\r\nHello\r\n\r\nHello\r\n'],
  ['with a header that is too long', `From: <a@example.test>\r\n${'X: y\r\n'.repeat(50_000)}\r\nHello\r\n`],
] as const) {
  test(`A letter ${name} gets no signature`, () => assert.equal(digest(letter), null))
}

test('How a letter is cut changes nothing', () => {
  const words = fc.constantFrom('\r\n', ' ', '\t', 'a', 'bc', '\r\n\r\n', '.', 'From: x', '\r\n \r\n')
  const text = fc.array(words, { maxLength: 60 }).map((list) => `From: <a@example.test>\r\n\r\n${list.join('')}`)
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 40 }), (letter, cut) => {
      assert.deepEqual(digest(letter, cut), digest(letter))
    }),
    { numRuns: 500 },
  )
})

test('RelaxedBody is what RFC 6376 section 3.4.4 says', () => {
  const words = fc.constantFrom('\r\n', ' ', '\t', 'a', 'b', '\r\n\r\n', ' \t ')
  fc.assert(
    fc.property(fc.array(words, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (list, cut) => {
      const text = list.join('')
      const got: string[] = []
      const body = new RelaxedBody((bytes) => got.push(Buffer.from(bytes).toString('latin1')))
      const bytes = Buffer.from(text, 'latin1')
      for (let at = 0; at < bytes.length; at += cut) body.push(bytes.subarray(at, at + cut))
      body.end()
      const lines = text
        .replaceAll(/[ \t]+/g, ' ')
        .replaceAll(/ (?=\r\n|$)/g, '')
        .replace(/(\r\n)+$/, '')
      assert.equal(got.join(''), lines === '' ? '' : `${lines}\r\n`)
    }),
    { numRuns: 1_000 },
  )
})

const noDkimpy = spawnSync('/usr/bin/python3', ['-c', 'import dkim, nacl']).status !== 0
const skip = noDkimpy ? 'no dkimpy here: apt-get install --no-install-recommends python3-dkim python3-nacl' : false
test('Signatures are good for dkimpy', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dkim-'))
  try {
    for (const [name, letter] of letters) {
      if (name === 'no blank line') continue // no letter for dkimpy
      const file = join(folder, 'letter')
      writeFileSync(file, await signed(letter.replace('subject :', 'subject:')), 'latin1') // it knows no blank there
      const program = [
        'import dkim, json, sys',
        'records = json.loads(sys.argv[2])',
        'letter = open(sys.argv[1], "rb").read()',
        'dns = lambda name, timeout=5: records[name.decode().rstrip(".")].encode()',
        'print([dkim.DKIM(letter).verify(idx=i, dnsfunc=dns) for i in (0, 1)])',
      ].join('\n')
      const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', program, file, JSON.stringify(RECORDS)], {
        encoding: 'utf8',
      })
      assert.equal(stdout.trim(), '[True, True]', `${name}: ${stderr}`)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
