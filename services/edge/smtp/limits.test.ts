import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MIB } from '../limits.ts'
import { openEdge } from '../testing/edge-fixture.ts'

const LINE = `${'0123456789'.repeat(7)}\r\n`

test('DATA gets 452 while the memory for letters is spent, and is taken again when it is free', async () => {
  const fixture = await openEdge({ bodyBudgetBytes: 64 * 1024 })
  try {
    fixture.shard.silent = true
    const [first, second] = [await fixture.smtp(), await fixture.smtp()]
    for (const client of [first, second]) {
      await client.ask('MAIL FROM:<ben@example.net>')
      await client.ask('RCPT TO:<anna@example.test>')
    }
    await first.ask('DATA')
    const head = 'Subject: x\r\n\r\n'
    first.send(`${head}${'x'.repeat(64 * 1024 - head.length - 2)}\r\n.\r\n`)
    await fixture.shard.letterAt(0)
    assert.match(await second.ask('DATA'), /^452 4\.3\.1 /)
    fixture.shard.silent = false
    assert.match(await first.reply(), /^451 /) // its time is over, its memory free
    assert.match(await second.ask('DATA'), /^354 /)
    second.send('Subject: y\r\n\r\n.\r\n')
    assert.match(await second.reply(), /^250 /)
    assert.equal(await fixture.metric('twinpost_edge_body_budget_refusals_total'), 1)
    assert.equal(await fixture.metric('twinpost_edge_body_budget_used_bytes'), 0)
  } finally {
    await fixture.close()
  }
})

test('A letter that grows beyond the memory left streams instead of waiting', async () => {
  const fixture = await openEdge({ bodyBudgetBytes: 100_000 })
  try {
    const client = await fixture.smtp()
    await client.ask('MAIL FROM:<ben@example.net>')
    await client.ask('RCPT TO:<anna@example.test>')
    await client.ask('DATA')
    const body = `Subject: x\r\n\r\n${LINE.repeat(5_000)}`
    client.send(`${body}.\r\n`)
    assert.match(await client.reply(), /^250 /)
    const letter = await fixture.shard.letterAt(0)
    assert.equal(letter.streamed, true)
    assert.equal(letter.body.toString(), body)
  } finally {
    await fixture.close()
  }
})

test('SIZE is enforced at MAIL, and at the end of a letter that lied or grew', async () => {
  const fixture = await openEdge({ messageBytesMax: 2 * MIB })
  try {
    const client = await fixture.smtp()
    assert.match(await client.ask(`MAIL FROM:<ben@example.net> SIZE=${2 * MIB + 1}`), /^552 5\.3\.4 /)
    for (const lines of [29_200, 60_000]) {
      await client.ask('MAIL FROM:<ben@example.net> SIZE=10')
      await client.ask('RCPT TO:<anna@example.test>')
      await client.ask('DATA')
      client.send(`Subject: x\r\n\r\n${LINE.repeat(lines)}.\r\n`)
      assert.match(await client.reply(), /^552 5\.3\.4 /)
    }
    assert.equal(fixture.shard.letters.length, 0)
  } finally {
    await fixture.close()
  }
})

test('Connections of one address are bounded, over all listeners', async () => {
  const fixture = await openEdge({ connectionsPerAddressMax: 2 })
  try {
    const [first, second] = [await fixture.connect('smtp'), await fixture.connect('imap')]
    await first.reply()
    await second.expect(/ready\r\n/)
    const third = await fixture.connect('smtp')
    assert.match(await third.reply(), /^421 4\.7\.0 /)
    const fourth = await fixture.connect('pop3')
    assert.equal(await fourth.rest(), '')
  } finally {
    await fixture.close()
  }
})

test('Recipients of a transaction and refused recipients of a connection are bounded', async () => {
  const fixture = await openEdge({ recipientsMax: 1 })
  try {
    const client = await fixture.smtp()
    await client.ask('MAIL FROM:<ben@example.net>')
    await client.ask('RCPT TO:<anna@example.test>')
    assert.match(await client.ask('RCPT TO:<carl@example.test>'), /^452 4\.5\.3 /)
    await client.ask('RSET')
    await client.ask('MAIL FROM:<ben@example.net>')
    for (let i = 1; i < 50; i++) assert.match(await client.ask(`RCPT TO:<guess${i}@example.test>`), /^550 /)
    assert.match(await client.ask('RCPT TO:<guess50@example.test>'), /^421 4\.7\.0 /)
    await client.rest()
  } finally {
    await fixture.close()
  }
})

test('postmaster and abuse are answered where the Domain has no such address', async () => {
  const fixture = await openEdge({ postmaster: 'carl@example.test' })
  try {
    const client = await fixture.smtp()
    await client.ask('MAIL FROM:<ben@example.net>')
    for (const said of ['postmaster', 'Postmaster@example.test', 'abuse@example.test']) {
      assert.match(await client.ask(`RCPT TO:<${said}>`), /^250 /, said)
    }
    assert.match(await client.ask('RCPT TO:<postmaster@elsewhere.example>'), /^550 5\.7\.1 /)
  } finally {
    await fixture.close()
  }
})

test('postmaster is deferred, never refused, where nobody was named', async () => {
  const fixture = await openEdge()
  try {
    const client = await fixture.smtp()
    await client.ask('MAIL FROM:<ben@example.net>')
    assert.match(await client.ask('RCPT TO:<postmaster@example.test>'), /^451 4\.3\.5 /)
  } finally {
    await fixture.close()
  }
})

test('Edge.stop() says goodbye to those who wait and lets a letter in flight be answered', async () => {
  const fixture = await openEdge()
  const [idle, busy, imap] = [await fixture.smtp(), await fixture.smtp(), await fixture.connectTls('imaps')]
  await imap.expect(/ready\r\n/)
  await busy.ask('MAIL FROM:<ben@example.net>')
  await busy.ask('RCPT TO:<anna@example.test>')
  await busy.ask('DATA')
  busy.send('Subject: x\r\n')
  const stopped = fixture.edge.stop()
  assert.match(await idle.reply(), /^421 4\.3\.2 /)
  assert.match(await imap.rest(), /^\* BYE /)
  busy.send('\r\nhi\r\n.\r\n')
  assert.match(await busy.reply(), /^250 /)
  assert.match((await busy.reply()).trim(), /^421 4\.3\.2 /)
  idle.close()
  busy.close()
  await stopped
  assert.equal(fixture.shard.letters.length, 1)
  await fixture.close()
})
