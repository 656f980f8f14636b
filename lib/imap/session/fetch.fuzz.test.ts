/** FETCH of letters that nobody should have sent: every response is well-formed, and all ways to ask for bytes agree. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { parseMessage } from '#lib/mime/mod.ts'
import { MemoryAccount } from '../testing/memory-account.ts'
import { MemoryHost, TEST_NOW_MS } from '../testing/memory-host.ts'
import { ImapSession } from './session.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 150)

async function open(letter: Buffer) {
  const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS })
  await account.append({ mailbox: 'INBOX', flags: NO_FLAGS, internalDateMs: null, body: [letter] })
  const host = new MemoryHost()
  const session = new ImapSession(account, host)
  session.run()
  await session.receive(Buffer.from('s SELECT INBOX\r\n'))
  host.take()
  return async (command: string) => {
    await session.receive(Buffer.from(`t ${command}\r\n`))
    assert.deepEqual(host.reported, [])
    return host.take()
  }
}

/** Literals of a response in order; the text between them must be quoted strings, atoms and balanced parentheses. */
function literals(response: string): string[] {
  const found: string[] = []
  let depth = 0
  let at = 0
  const token = /"(?:[^"\\\r\n\0\x80-\xff]|\\["\\])*"|\{(\d+)\}\r\n|[()]|[^"(){}\r\n\0\x80-\xff]+|\r\n/y
  while (at < response.length) {
    token.lastIndex = at
    const match = token.exec(response)
    assert.ok(match, `not well-formed at ${at}: ${JSON.stringify(response.slice(at, at + 60))}`)
    at += match[0].length
    if (match[0] === '(') depth++
    if (match[0] === ')') depth--
    assert.ok(depth >= 0)
    if (match[0] === '\r\n') assert.equal(depth, 0)
    if (match[1] === undefined) continue
    found.push(response.slice(at, at + Number(match[1])))
    at += Number(match[1])
  }
  return found
}

const line = fc.oneof(
  fc.constantFrom(
    'Subject: =?utf-8?B?w7w=?=',
    'From: "A \\"B\\"" <a@b>, c (d) <',
    'To: group: x@y, z;',
    'Content-Type: multipart/mixed; boundary=b',
    'Content-Type: message/rfc822',
    'Content-Type: text/plain; charset="utf-8"; x*0*=a%20; x*1=b',
    'Content-Disposition: attachment; filename="\xff\xfe"',
    'Content-Language: de, en',
    'Content-Transfer-Encoding: base64',
    'Date: yesterday',
    '--b',
    '--b--',
    ' folded',
    'no colon here',
    '',
    '',
    'Message-ID: <\x01>',
  ),
  fc.string({
    unit: fc
      .integer({ min: 1, max: 255 })
      .filter((c) => c !== 10 && c !== 13)
      .map((c) => String.fromCharCode(c)),
    maxLength: 30,
  }),
)
const letter = fc
  .array(line, { maxLength: 30 })
  .map((lines) => Buffer.from(lines.map((l) => `${l}\r\n`).join(''), 'latin1'))

test('FETCH writes well-formed responses for any letter, and all sections agree', async () => {
  await fc.assert(
    fc.asyncProperty(letter, fc.nat(200), fc.integer({ min: 1, max: 100 }), async (bytes, offset, length) => {
      fc.pre(bytes.length > 0)
      const say = await open(bytes)
      const text = bytes.toString('latin1')
      assert.match(await say('FETCH 1 (ENVELOPE BODY BODYSTRUCTURE)'), /t OK Done\r\n$/)
      literals(await say('FETCH 1 (ENVELOPE BODY BODYSTRUCTURE)'))

      const [whole, header = '', rest = '', part] = literals(
        await say(`FETCH 1 (BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[]<${offset}.${length}>)`),
      )
      assert.equal(whole, text)
      assert.equal(header + rest, text)
      assert.equal(part, text.slice(offset, offset + length))
      // The quick search for the end of the header and the parser say the same.
      assert.equal(header.length, parseMessage(bytes).root.headerEnd)

      const [some = '', others = ''] = literals(
        await say('FETCH 1 (BODY.PEEK[HEADER.FIELDS (Subject To)] BODY.PEEK[HEADER.FIELDS.NOT (Subject To)])'),
      )
      const blank = header.endsWith('\r\n\r\n') || header === '\r\n' ? 2 : 0
      assert.equal(some.length + others.length, header.length + blank)
      literals(await say('FETCH 1 (BODY[1] BODY[1.MIME] BODY[1.1] BODY[1.HEADER] BODY[2.TEXT] BODY[2])'))
    }),
    { numRuns },
  )
})

test('SEARCH answers for any letter', async () => {
  await fc.assert(
    fc.asyncProperty(letter, async (bytes) => {
      fc.pre(bytes.length > 0)
      const say = await open(bytes)
      assert.match(await say('SEARCH OR TEXT "x" OR SUBJECT "\xc3" OR SENTSINCE 1-Jan-2020 HEADER To ""'), /t (OK|BAD)/)
      assert.match(await say('SEARCH TEXT ""'), /\* SEARCH 1\r\n/)
    }),
    { numRuns },
  )
})
