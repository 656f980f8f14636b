/** The engine on a letter: what it takes from header, text and envelope. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Letter } from '../letter/letter.ts'
import { PhishingEngine } from './phishing.ts'

const engine = new PhishingEngine({
  name: 'phishing',
  concurrency: 1,
  bytesMax: 1e6,
  timeoutMs: 1000,
  protect: ['bank.example'],
})

function letter(recipients: readonly string[], from: string, html: string): Letter {
  const context = { clientAddress: null, helo: null, sender: '', recipients, user: null, traceId: null }
  const header = `From: ${from}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n`
  return new Letter(context, [{ name: 'From', value: from }], [Buffer.from(header + html)])
}

test('PhishingEngine protects the domains of the recipients and those of its settings', async () => {
  const link = '<a href="https://evil.example/">www.bank.example</a>'
  const found = await engine.scan(letter(['anna@shop.example'], 'x@sh0p.example', link))
  assert.deepEqual(found, [
    { kind: 'phishing', name: 'author-look-alike sh0p.example>shop.example', weight: 1 },
    { kind: 'phishing', name: 'link-text www.bank.example>evil.example', weight: 1 },
  ])
  assert.deepEqual(await engine.scan(letter(['anna@other.example'], 'x@sh0p.example', '')), [])
})
