import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEdge } from '../testing/edge-fixture.ts'

test('RecipientChecks asks for the recipients of one moment in one frame', async () => {
  const fixture = await openEdge()
  try {
    const clients = await Promise.all(Array.from({ length: 8 }, () => fixture.smtp()))
    await Promise.all(clients.map((client) => client.ask('MAIL FROM:<ben@example.net>')))
    await Promise.all(clients.map((client) => client.ask('RCPT TO:<anna@example.test>')))
    const asked = fixture.shard.checks.reduce((sum, count) => sum + count, 0)
    assert.equal(asked, 8)
    assert.ok(fixture.shard.checks.length < 8)
  } finally {
    await fixture.close()
  }
})

test('RecipientChecks believes a yes for a moment, up to the size that was asked for', async () => {
  const fixture = await openEdge({ recipientMemoryMs: 10_000 })
  try {
    const client = await fixture.smtp()
    for (const [size, asked] of [
      [1000, 1],
      [1000, 1],
      [10, 1],
      [1001, 2],
    ]) {
      await client.ask(`MAIL FROM:<ben@example.net> SIZE=${size}`)
      assert.match(await client.ask('RCPT TO:<anna@example.test>'), /^250 /)
      await client.ask('RSET')
      assert.equal(fixture.shard.checks.length, asked)
    }
  } finally {
    await fixture.close()
  }
})

test('RecipientChecks asks again after a no', async () => {
  const fixture = await openEdge({ recipientMemoryMs: 10_000 })
  try {
    fixture.shard.verdict = () => ({ kind: 'over-quota' })
    const client = await fixture.smtp()
    await client.ask('MAIL FROM:<ben@example.net>')
    assert.match(await client.ask('RCPT TO:<anna@example.test>'), /^452 /)
    fixture.shard.verdict = () => ({ kind: 'ok' })
    assert.match(await client.ask('RCPT TO:<anna@example.test>'), /^250 /)
  } finally {
    await fixture.close()
  }
})
