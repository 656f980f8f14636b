import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { DnsResolver } from '#lib/dns/types.ts'
import { parseZone, zoneResolver } from '#lib/dns/zone-file.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { ClientPolicyConfig } from '../config.ts'
import { type EdgeFixture, HOSTNAME, openEdge } from '../testing/edge-fixture.ts'
import { ClientPolicy } from './client-policy.ts'

const zone = parseZone(`
1.2.0.192.bad.example. A 127.0.0.2
1.2.0.192.bad.example. TXT "seen sending spam"
2.2.0.192.bad.example. A 127.255.255.254
3.2.0.192.bad.example. A 192.0.2.9
1.0.0.127.bad.example. A 127.0.0.4
4.2.0.192.bad.example. A 127.0.0.2
4.2.0.192.good.example. A 127.0.0.1
9.2.0.192.in-addr.arpa. PTR mx.example.net.
8.2.0.192.in-addr.arpa. PTR mx.example.net.
mx.example.net. A 192.0.2.9
example.net. MX 10 mx.example.net.
nomail.example. MX 0 .
`)
const names = zoneResolver(() => zone)
const silent: DnsResolver = { query: () => Promise.reject(new Error('no answer')) }
const refused: string[] = []
const metrics = { clientsRefused: { inc: ({ reason }: { reason: string }) => refused.push(reason) } }

async function ask(
  settings: object,
  facts: { readonly address?: string; readonly helo?: string; readonly reversePath?: string },
  to = 'anna@example.test',
  resolver = names,
): Promise<string> {
  const config = ClientPolicyConfig.parse(settings)
  const policy = new ClientPolicy({
    config,
    hostname: HOSTNAME,
    resolver,
    clock: nodeClock,
    metrics: metrics as unknown as ConstructorParameters<typeof ClientPolicy>[0]['metrics'],
  })
  const all = { address: '192.0.2.9', helo: 'mx.example.net', reversePath: 'ben@example.net', ...facts }
  const reply = await policy.refusal(all, to)
  return reply === null ? 'taken' : `${reply.code} ${reply.text}`
}

const LISTS = { dnsLists: ['bad.example'] }
const cases: readonly [name: string, settings: object, facts: Parameters<typeof ask>[1], wanted: RegExp][] = [
  ['nothing set', {}, { address: '192.0.2.1', reversePath: 'a@nomail.example' }, /^taken$/],
  [
    'a list that has the address',
    LISTS,
    { address: '192.0.2.1' },
    /^550 5\.7\.1 192\.0\.2\.1 is listed by bad\.example: seen/,
  ],
  ['a list that has it not', LISTS, {}, /^taken$/],
  ['a list that does not answer us', LISTS, { address: '192.0.2.2' }, /^taken$/],
  ['a list whose domain was sold', LISTS, { address: '192.0.2.3' }, /^taken$/],
  ['a list for and one against', { ...LISTS, dnsAllowLists: ['good.example'] }, { address: '192.0.2.4' }, /^taken$/],
  [
    'a list, and an address that is trusted',
    { ...LISTS, trusted: ['192.0.2.0/24'] },
    { address: '192.0.2.1' },
    /^taken$/,
  ],
  [
    'a list, and another that is trusted',
    { ...LISTS, trusted: ['198.51.100.0/24', '::1'] },
    { address: '192.0.2.1' },
    /^550/,
  ],
  ['a name that leads back', { reverseName: true }, {}, /^taken$/],
  ['a name that leads elsewhere', { reverseName: true }, { address: '192.0.2.8' }, /^550 5\.7\.25/],
  ['no name', { reverseName: true }, { address: '192.0.2.7' }, /^550 5\.7\.25/],
  ['a sender whose domain takes no mail', { senderDomain: true }, { reversePath: 'a@nomail.example' }, /^550 5\.7\.27/],
  ['a sender without a domain', { senderDomain: true }, { reversePath: 'a@nothing.example' }, /^550 5\.1\.8/],
  ['the null path', { senderDomain: true }, { reversePath: '' }, /^taken$/],
  ['our own name', {}, { helo: 'MX.example.test' }, /^550 5\.7\.1 That is our name/],
  ['our own name, where that does not matter', { ownNameIsForged: false }, { helo: HOSTNAME }, /^taken$/],
]
for (const [name, settings, facts, wanted] of cases) {
  test(`A client with ${name}`, async () => {
    assert.match(await ask(settings, facts), wanted)
    for (const role of ['postmaster', 'Postmaster@example.test', 'abuse@example.test']) {
      assert.equal(await ask(settings, facts, role), 'taken', `${role} is always taken`)
    }
  })
}

test('A client that names too many recipients in a minute comes later', async () => {
  let nowMs = 0
  const policy = new ClientPolicy({
    config: ClientPolicyConfig.parse({ recipientsPerMinute: 2, trusted: ['192.0.2.7'] }),
    hostname: HOSTNAME,
    resolver: silent,
    clock: { ...nodeClock, monotonicMs: () => nowMs },
    metrics: metrics as unknown as ConstructorParameters<typeof ClientPolicy>[0]['metrics'],
  })
  const ask = async (address: string, to = 'anna@example.test') =>
    (await policy.refusal({ address, helo: 'a.example', reversePath: '' }, to))?.code ?? 250
  const times = async (address: string) => [await ask(address), await ask(address), await ask(address)]
  assert.deepEqual(await times('192.0.2.1'), [250, 250, 450])
  assert.deepEqual(await times('192.0.2.2'), [250, 250, 450], 'each for himself')
  assert.deepEqual(await times('192.0.2.7'), [250, 250, 250], 'who is trusted is not counted')
  assert.equal(await ask('192.0.2.1', 'postmaster@example.test'), 250)
  assert.deepEqual([await ask('2001:db8::1'), await ask('2001:db8::2'), await ask('2001:db8::3')], [250, 250, 450])
  assert.equal(await ask('2001:db8:0:1::1'), 250, 'another network')
  nowMs += 60_000
  assert.equal(await ask('192.0.2.1'), 250)
})

test('What cannot be looked up is not held against a client', async () => {
  const everything = { ...LISTS, reverseName: true, senderDomain: true }
  assert.equal(await ask(everything, { address: '192.0.2.1' }, 'anna@example.test', silent), 'taken')
})

let edge: EdgeFixture
before(async () => {
  const settings = { clientPolicy: { ...LISTS, greetingDelayMs: 150 }, proxyNetworks: ['127.0.0.1'] }
  edge = await openEdge(settings, { names })
})
after(() => edge.close())

test('An edge greets late and refuses who speaks before', async () => {
  const early = await edge.connect('smtp')
  early.send('PROXY TCP4 192.0.2.9 192.0.2.100 4000 25\r\nEHLO client.example.net\r\n')
  assert.match(await early.expect(/\r\n/), /^554 5\.5\.1 You spoke before the greeting/)
  assert.equal(await edge.metric('twinpost_edge_clients_refused_total', { reason: 'early-talker' }), 1)
  const patient = await edge.connect('smtp')
  const beganMs = nodeClock.monotonicMs()
  patient.send('PROXY TCP4 192.0.2.9 192.0.2.100 4000 25\r\n')
  assert.match(await patient.expect(/\r\n/), /^220 /)
  assert.ok(nodeClock.monotonicMs() - beganMs >= 140)
})

test('An edge refuses the recipient of a listed client and takes the others', async () => {
  for (const [address, wanted] of [
    ['192.0.2.1', /^550 5\.7\.1 192\.0\.2\.1 is listed by bad\.example/],
    ['192.0.2.9', /^250 /],
  ] as const) {
    const client = await edge.connect('smtp')
    client.send(`PROXY TCP4 ${address} 192.0.2.100 4000 25\r\n`)
    await client.expect(/^220 .*\r\n/)
    await client.ask('EHLO mx.example.net')
    await client.ask('MAIL FROM:<ben@example.net>')
    assert.match(await client.ask('RCPT TO:<anna@example.test>'), wanted)
    assert.match(await client.ask('RCPT TO:<postmaster@example.test>'), /^(?:250|451) /)
  }
})

test('Received tells the client that a proxy speaks for, on every listener and over TLS', async () => {
  const client = await edge.connect('smtp')
  client.send('PROXY TCP6 2001:db8::7 2001:db8::1 4000 25\r\n')
  await client.expect(/^220 .*\r\n/)
  await client.ask('EHLO mx.example.net')
  await client.ask('MAIL FROM:<ben@example.net>')
  await client.ask('RCPT TO:<carl@example.test>')
  await client.ask('DATA')
  client.send('Subject: x\r\n\r\nHello\r\n.\r\n')
  await client.expect(/250 2\.0\.0/)
  assert.match(
    edge.shard.letters.at(-1)?.recipients[0]?.headerBlock ?? '',
    /Received: from mx\.example\.net \(\[IPv6:2001:db8::7\]\)/,
  )

  const imap = await edge.connect('imap')
  imap.send('PROXY TCP4 192.0.2.9 192.0.2.100 4000 143\r\n')
  assert.match(await imap.expect(/\r\n/), /^\* OK/)
})

test('A proxy that says nothing of its client is sent away', async () => {
  const client = await edge.connect('smtp')
  client.send('EHLO client.example.net\r\n')
  assert.equal(await client.rest(), '')
})
