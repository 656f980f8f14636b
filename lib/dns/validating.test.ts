import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { createAuthority, issueLeaf, namesRequest } from '#operator/pki/certificates.ts'
import { openResolver } from './from-settings.ts'
import { ValidatingResolver, whyNoValidatingResolver } from './testing/validating-resolver.ts'

const skip = whyNoValidatingResolver()
const RECORDS = `
net IN MX 10 mx.net
mx.net IN A 127.0.0.1
bad IN MX 10 mx.net
_25._tcp.mx.net IN TLSA 3 1 1 ${'ab'.repeat(32)}
`
const authority = await createAuthority('An authority', Date.now(), nodeRandom)
const leaf = await issueLeaf(authority, namesRequest('resolver', ['localhost'], []), Date.now(), nodeRandom)
let running: ValidatingResolver | null = null
before(async () => {
  if (skip) return
  const tamper = (zone: string) => zone.replace(/^(bad\.example\.\s+60\s+IN\s+MX\s+)10/m, '$120')
  running = await ValidatingResolver.start(RECORDS, { tls: { cert: leaf.cert, key: leaf.key }, tamper })
})
after(() => running?.stop())

const resolverAt = (dnsServers: string, ca: string | null = authority.cert) =>
  openResolver({ dnsServers, zoneFile: null }, nodeClock, nodeRandom, () => ca)
const plain = () => `127.0.0.1:${known(running, 'the resolver').server.port}`
const overTls = () => `tls://localhost:${known(running, 'the resolver').tlsPort}`

for (const [name, where] of [
  ['over loopback', plain],
  ['over TLS', overTls],
] as const) {
  test(`Answers of a signed zone are secure ${name}`, { skip }, async () => {
    const resolver = resolverAt(where())
    assert.equal((await resolver.query('net.example', 'MX')).secure, true)
    const { secure, records } = await resolver.query('_25._tcp.mx.net.example', 'TLSA')
    assert.deepEqual([secure, records[0]?.data], [true, Buffer.alloc(32, 0xab)])
    const absent = await resolver.query('_25._tcp.other.net.example', 'TLSA')
    assert.deepEqual([absent.kind, absent.secure], ['no-name', true])
    await assert.rejects(resolver.query('bad.example', 'MX'), { code: 'DNS_UNAVAILABLE' })
  })
}

test('Many questions go over one connection with TLS', { skip }, async () => {
  const resolver = resolverAt(overTls())
  const names = Array.from({ length: 200 }, (_, i) => `n${i}.net.example`)
  const answers = await Promise.all(names.map((name) => resolver.query(name, 'A')))
  assert.ok(answers.every(({ kind, secure }) => kind === 'no-name' && secure))
})

test('A resolver with a certificate of nobody is not asked', { skip }, async () => {
  const other = await createAuthority('Another', Date.now(), nodeRandom)
  await assert.rejects(resolverAt(overTls(), other.cert).query('net.example', 'MX'), { code: 'DNS_UNAVAILABLE' })
})

test('AD counts only where the way is safe', { skip }, async () => {
  // The same server, by a name that says nothing of loopback.
  const { port } = known(running, 'the resolver').server
  assert.equal((await resolverAt(`[::ffff:127.0.0.1]:${port}`).query('net.example', 'MX')).secure, false)
})
