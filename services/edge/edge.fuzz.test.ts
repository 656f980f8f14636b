import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { ListenerName } from './edge.ts'
import { type EdgeFixture, openEdge } from './testing/edge-fixture.ts'

const numRuns = Number(process.env.FUZZ_RUNS ?? 40)

let fixture: EdgeFixture
before(async () => {
  fixture = await openEdge({ connectionsPerAddressMax: 100_000 })
})
after(() => fixture.close())

const LISTENERS: readonly ListenerName[] = [
  'smtp',
  'lmtp',
  'submission',
  'imap',
  'pop3',
  'submissions',
  'imaps',
  'pop3s',
]

const words = fc.constantFrom(
  ...[
    'EHLO x\r\n',
    'LHLO x\r\n',
    'MAIL FROM:<a@example.net>\r\n',
    'RCPT TO:<anna@example.test>\r\n',
    'DATA\r\n',
    '.\r\n',
  ],
  ...[
    'RSET\r\n',
    'STARTTLS\r\n',
    'STLS\r\n',
    'AUTH PLAIN\r\n',
    'AUTH LOGIN ',
    'QUIT\r\n',
    'a LOGIN x y\r\n',
    'a LOGIN {5}\r\n',
  ],
  ...[
    'USER anna@example.test\r\n',
    'PASS x\r\n',
    'CAPA\r\n',
    '\r\n',
    '\r',
    '\n',
    '\0',
    '\xff',
    '..',
    ' ',
    '<',
    '>',
    '=',
  ],
)
const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const dialogue = fc.array(fc.oneof({ weight: 4, arbitrary: words }, noise), { maxLength: 25 })

test('Edge outlives whatever is said to its listeners, and lets every connection go', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...LISTENERS), dialogue, async (name, said) => {
      const client = name.endsWith('s') ? await fixture.connectTls(name) : await fixture.connect(name)
      for (const text of said) await client.sendAlone(Buffer.from(text, 'latin1'))
      client.close()
    }),
    { numRuns },
  )
  const client = await fixture.smtp()
  await client.ask('MAIL FROM:<ben@example.net>')
  assert.match(await client.ask('RCPT TO:<anna@example.test>'), /^250 /)
  await client.ask('DATA')
  client.send('Subject: alive\r\n\r\n.\r\n')
  assert.match(await client.reply(), /^250 /)
  client.close()
  for (const listener of LISTENERS) {
    while ((await fixture.metric('twinpost_edge_connections', { listener })) > 0) await new Promise(setImmediate)
  }
  assert.equal(await fixture.metric('twinpost_edge_body_budget_used_bytes'), 0)
})
