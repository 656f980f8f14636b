import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { hostAddresses, hostsBeforeUs, mailHosts } from './mail-hosts.ts'
import { FakeNameServer } from './testing/name-server.ts'
import type { DnsResolver } from './types.ts'
import { type UdpResolverOptions, udpResolver } from './udp-resolver.ts'
import { parseZone, zoneResolver } from './zone-file.ts'

const random = { bytes: (length: number) => new Uint8Array(length), fraction: () => 0.5 }

const ZONE = `
; two hosts of equal preference, one behind
example.net.   IN MX 20 backup.example.net.
example.net.   300 IN MX 10 MX1.example.net.
example.net.   MX 10 mx2.example.net.
implicit.example. A 192.0.2.7
closed.example. MX 0 .
odd.example. MX 0 .
odd.example. MX 10 mx.odd.example.
alias.example. CNAME example.net.
mx1.example.net. A 192.0.2.1
mx1.example.net. A 192.0.2.2
mx1.example.net. AAAA 2001:db8::1
text.example. TXT "v=spf1 " "-all"
_imaps._tcp.text.example. SRV 0 1 993 Mail.example.net.
_25._tcp.mx1.example.net. TLSA 3 1 1 0A0B 0c0d
a.loop. CNAME b.loop.
b.loop. CNAME a.loop.
`
const zone = parseZone(ZONE)
const resolver = zoneResolver(() => zone)
const names = async (domain: string) => {
  const found = await mailHosts(resolver, random, domain)
  return found.kind === 'hosts' ? found.hosts.map(({ name }) => name) : found.kind
}

test('mailHosts() gives MX hosts by preference', async () =>
  assert.deepEqual(await names('Example.net'), ['mx1.example.net', 'mx2.example.net', 'backup.example.net']))
test('mailHosts() gives the domain itself where it has no MX', async () =>
  assert.deepEqual(await names('implicit.example'), ['implicit.example']))
test('mailHosts() tells a domain that takes no mail', async () =>
  assert.equal(await names('closed.example'), 'null-mx'))
test('mailHosts() overlooks a null MX beside others', async () =>
  assert.deepEqual(await names('odd.example'), ['mx.odd.example']))
test('mailHosts() tells a domain that does not exist', async () => assert.equal(await names('no.example'), 'no-domain'))
test('mailHosts() follows an alias', async () => assert.equal((await names('alias.example')).length, 3))
test('a chain of aliases without an end is no answer', async () => {
  await assert.rejects(names('a.loop'), { code: 'DNS_UNAVAILABLE' })
})
test('mailHosts() gives hosts of equal preference in any order', async () => {
  let chance = 1
  const falling = { ...random, fraction: () => (chance -= 0.1) }
  const found = await mailHosts(resolver, falling, 'example.net')
  assert.equal(found.kind === 'hosts' && found.hosts[0]?.name, 'mx2.example.net')
})

test('hostsBeforeUs() leaves out what is not better than we are', () => {
  const hosts = [10, 10, 20].map((preference, i) => ({ name: `mx${i}.example.net`, preference }))
  assert.equal(hostsBeforeUs(hosts, new Set(['mx2.example.net'])).length, 2)
  assert.equal(hostsBeforeUs(hosts, new Set(['mx1.example.net'])).length, 0)
  assert.equal(hostsBeforeUs(hosts, new Set(['other.example.net'])).length, 3)
})

test('hostAddresses() gives both families in turns', async () => {
  assert.deepEqual(await hostAddresses(resolver, 'mx1.example.net'), ['2001:db8::1', '192.0.2.1', '192.0.2.2'])
  assert.deepEqual(await hostAddresses(resolver, 'mx9.example.net'), [])
})

test('hostAddresses() does not need both families to answer', async () => {
  const half: DnsResolver = {
    query: (name, type) => (type === 'AAAA' ? Promise.reject(new Error('SERVFAIL')) : resolver.query(name, type)),
  }
  assert.deepEqual(await hostAddresses(half, 'mx1.example.net'), ['192.0.2.1', '192.0.2.2'])
  await assert.rejects(hostAddresses(half, 'mx9.example.net'), /SERVFAIL/)
})

test('parseZone() joins strings, and names the line that it cannot read', async () => {
  assert.deepEqual((await resolver.query('text.example', 'TXT')).records, ['v=spf1 -all'])
  assert.deepEqual((await resolver.query('_imaps._tcp.text.example', 'SRV')).records, [
    { priority: 0, weight: 1, port: 993, target: 'mail.example.net' },
  ])
  assert.deepEqual((await resolver.query('_25._tcp.mx1.example.net', 'TLSA')).records, [
    { usage: 3, selector: 1, matching: 1, data: Buffer.from('0a0b0c0d', 'hex') },
  ])
  assert.throws(() => parseZone('a.example. A 192.0.2.1\nb.example. A nowhere'), /line 2 .*nowhere/)
})

const server = new FakeNameServer()
before(() => server.start())
after(() => server.stop())
beforeEach(() => {
  server.mood = 'good'
  server.questions = 0
})
server.names.set('example.net', [
  { type: 'MX', name: 'example.net', ttl: 60, data: { preference: 10, exchange: 'MX.example.net' } },
])
server.names.set('www.example.net', [{ type: 'CNAME', name: 'www.example.net', ttl: 60, data: 'example.net' }])
server.names.set('mx.example.net', [{ type: 'A', name: 'mx.example.net', ttl: 60, data: '192.0.2.1' }])

const asking = (given: Partial<UdpResolverOptions> = {}) =>
  udpResolver({ servers: [server.at], trustAd: false, clock: nodeClock, random: nodeRandom, timeoutMs: 300, ...given })

test('udpResolver() asks once for what it knows', async () => {
  const dns = asking()
  for (let i = 0; i < 3; i++) {
    assert.deepEqual((await dns.query('Example.NET', 'MX')).records, [{ preference: 10, exchange: 'mx.example.net' }])
  }
  assert.equal(server.questions, 1)
})
test('udpResolver() tells what does not exist from what has no such record', async () => {
  const dns = asking()
  assert.equal((await dns.query('no.example', 'MX')).kind, 'no-name')
  assert.equal((await dns.query('mx.example.net', 'MX')).kind, 'no-data')
})
test('udpResolver() reads what stands behind an alias', async () => {
  assert.equal((await asking().query('www.example.net', 'MX')).records.length, 1)
})
test('udpResolver() comes back over TCP for what does not fit', async () => {
  server.mood = 'truncate'
  assert.equal((await asking().query('example.net', 'MX')).records.length, 1)
})
for (const mood of ['forge', 'other-name'] as const) {
  test(`udpResolver() believes no answer that is not to its question (${mood})`, async () => {
    server.mood = mood
    assert.deepEqual((await asking().query('example.net', 'MX')).records, [
      { preference: 10, exchange: 'mx.example.net' },
    ])
  })
}
for (const mood of ['silent', 'servfail', 'garbage'] as const) {
  test(`udpResolver() knows nothing when the server is ${mood}`, async () => {
    server.mood = mood
    await assert.rejects(asking({ timeoutMs: 50 }).query('example.net', 'MX'), { code: 'DNS_UNAVAILABLE' })
  })
}
test('udpResolver() asks the next server when one is silent', async () => {
  const dead = await new FakeNameServer().start()
  dead.mood = 'silent'
  const dns = asking({ servers: [dead.at, server.at], timeoutMs: 100 })
  assert.equal((await dns.query('example.net', 'MX')).kind, 'records')
  await dead.stop()
})
test('udpResolver() believes AD only on a safe way', async () => {
  server.mood = 'secure'
  assert.equal((await asking().query('example.net', 'MX')).secure, false)
  assert.equal((await asking({ trustAd: true }).query('example.net', 'MX')).secure, true)
})
