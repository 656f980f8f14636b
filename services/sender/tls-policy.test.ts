/** DANE and MTA-STS: what a sender does with servers that are as their domains say, and with those that are not. */
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import { afterEach, beforeEach, test } from 'node:test'
import { testTlsMaterial } from '#edge/testing/certificates.ts'
import { openResolver } from '#lib/dns/from-settings.ts'
import { ValidatingResolver, whyNoValidatingResolver } from '#lib/dns/testing/validating-resolver.ts'
import type { DnsResolver } from '#lib/dns/types.ts'
import { parseZone, zoneResolver } from '#lib/dns/zone-file.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { createAuthority, issueLeaf, namesRequest } from '#operator/pki/certificates.ts'
import { createPolicyFetch } from './policy-fetch.ts'
import { routeTo } from './remote-route.ts'
import { StsPolicies } from './sts-policies.ts'
import { RemoteServer } from './testing/remote-server.ts'
import { SenderWorld } from './testing/sender-world.ts'

const authority = await createAuthority('An authority', Date.now(), nodeRandom)
const certificateFor = (...names: string[]) =>
  issueLeaf(authority, namesRequest(names[0] ?? '', names, []), Date.now(), nodeRandom)
const good = await certificateFor('mx.net.example')
const otherName = await certificateFor('mx.other.example')
const ofNobody = testTlsMaterial('mx.net.example')
const https = await certificateFor('mta-sts.net.example')
const TO = 'ben@net.example'

let server: RemoteServer
let world: SenderWorld | null = null
let web: Server | null = null
let resolver: ValidatingResolver | null = null
beforeEach(async () => {
  server = await new RemoteServer().start()
  server.tls = good
})
afterEach(async () => {
  await world?.stop()
  await server.stop()
  await resolver?.stop()
  web?.closeAllConnections()
  web?.close()
  world = web = resolver = null
})

async function sendFrom(names: DnsResolver, webPort = 1): Promise<SenderWorld> {
  const policies = new StsPolicies({
    resolver: names,
    fetch: createPolicyFetch({ resolver: names, clock: nodeClock, port: webPort, ca: authority.cert }),
    clock: nodeClock,
    logger: silentLogger,
  })
  const options = { resolver: names, random: nodeRandom, ownNames: new Set<string>(), port: server.port, policies }
  const connection = { hostname: 'mx.example.test', localAddress: null, ca: authority.cert, clock: nodeClock }
  world = await SenderWorld.make('', server.port, {
    route: (domain) => routeTo(domain, options),
    connection: { ...connection, tls: 'opportunistic' },
  })
  await world.submit([TO])
  return world
}

/** What came of the letter: how it arrived, or what the queue says of it. */
async function outcome({ store, index, until }: SenderWorld): Promise<string> {
  const reply = () => {
    const [entry] = index.queue.openEntries(0, 10)
    return entry === undefined ? null : (index.queue.recipients(entry.entry)[0]?.reply ?? '')
  }
  await until.call(world, () => store.queue.totals().entries === 0 || (reply() ?? '') !== '')
  const [letter] = server.letters
  if (letter !== undefined) return letter.secure ? 'sent over TLS' : 'sent in the clear'
  return reply() ?? 'gone'
}
const sessions = ({ tlsSessions }: SenderWorld) => [
  ...new Set(tlsSessions.map(({ policy, failure }) => `${policy} ${failure ?? 'good'}`)),
]

// DANE, in a signed zone.

const skip = whyNoValidatingResolver()
const hashOf = ({ cert }: { readonly cert: string }) =>
  createHash('sha256')
    .update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
const ZEROS = '00'.repeat(32)

async function signedZone(tlsa: string, tamper?: (zone: string) => string): Promise<DnsResolver> {
  const records = `net IN MX 10 mx.net\nmx.net IN A 127.0.0.1\n_${server.port}._tcp.mx.net IN TLSA ${tlsa}\n`
  resolver = await ValidatingResolver.start(records, tamper === undefined ? {} : { tamper })
  return openResolver(
    { dnsServers: `127.0.0.1:${resolver.server.port}`, zoneFile: null },
    nodeClock,
    nodeRandom,
    () => null,
  )
}

for (const [name, change, wanted, session] of [
  ['the key that the record names', () => `3 1 1 ${hashOf(good)}`, /^sent over TLS$/, 'tlsa good'],
  [
    'that key, though nobody vouches for it and it is for another name',
    () => {
      server.tls = testTlsMaterial('else.example')
      return `3 1 1 ${hashOf(server.tls)}`
    },
    /^sent over TLS$/,
    'tlsa good',
  ],
  [
    'another key',
    () => `3 1 1 ${ZEROS}`,
    /^451 4\.7\.5 mx\.net\.example cannot be trusted: .* TLSA/,
    'tlsa validation-failure',
  ],
  [
    'no TLS at all',
    () => {
      server.tls = null
      return `3 1 1 ${hashOf(good)}`
    },
    /offers no TLS, and it is required/,
    'tlsa starttls-not-supported',
  ],
  [
    'a handshake that fails',
    () => {
      server.brokenTls = true
      return `3 1 1 ${hashOf(good)}`
    },
    /^TLS with mx\.net\.example failed/,
    'tlsa validation-failure',
  ],
  ['any key, where no record is of use', () => `1 1 1 ${ZEROS}`, /^sent over TLS$/, 'tlsa good'],
] as const) {
  test(`DANE: a server with ${name}`, { skip }, async () => {
    const sender = await sendFrom(await signedZone(change()))
    assert.match(await outcome(sender), wanted)
    assert.deepEqual(sessions(sender), [session])
  })
}

test('DANE: no record is used where the answer was forged', { skip }, async () => {
  const sender = await sendFrom(await signedZone(`3 1 1 ${hashOf(good)}`, (zone) => zone.replace(hashOf(good), ZEROS)))
  assert.match(await outcome(sender), /TLSA of _\d+\._tcp\.mx\.net\.example: .* answered with code 2/)
  assert.equal(server.connections, 0)
})

test('DANE: a record that nobody has validated is none', async () => {
  const zone = parseZone(
    `net.example. MX 10 mx.net.example.\nmx.net.example. A 127.0.0.1\n_${server.port}._tcp.mx.net.example. TLSA 3 1 1 ${ZEROS}\n`,
  )
  const sender = await sendFrom(zoneResolver(() => zone))
  assert.equal(await outcome(sender), 'sent over TLS')
  assert.deepEqual(sessions(sender), ['no-policy-found good'])
})

// MTA-STS, over HTTPS.

const ZONE = `net.example. MX 10 mx.net.example.
mx.net.example. A 127.0.0.1
mta-sts.net.example. A 127.0.0.1
_mta-sts.net.example. TXT "v=STSv1; id=1;"
`
const policy = (mode: string, mx = 'mx.net.example') =>
  `version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: 86400\r\n`

interface Page {
  readonly status?: number
  readonly type?: string
  readonly text: string
  readonly certificate?: { readonly cert: string; readonly key: string }
}

async function serve(page: () => Page, certificate = https): Promise<number> {
  const made = createServer({ cert: certificate.cert, key: certificate.key }, (request, response) => {
    const { status = 200, type = 'text/plain', text } = page()
    response.writeHead(request.url === '/.well-known/mta-sts.txt' ? status : 404, {
      'content-type': type,
      location: 'https://mta-sts.net.example/other',
    })
    response.end(text)
  })
  web = made
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  const bound = made.address()
  return typeof bound === 'object' && bound !== null ? bound.port : 0
}

const bad = () => {
  server.tls = ofNobody
}
const noTls = () => {
  server.tls = null
}
const UNTRUSTED = /^451 4\.7\.5 mx\.net\.example cannot be trusted: its certificate is not good/
for (const [name, page, change, wanted, session] of [
  ['enforce, a good certificate', policy('enforce'), () => undefined, /^sent over TLS$/, ['sts good']],
  ['enforce, a certificate of nobody', policy('enforce'), bad, UNTRUSTED, ['sts certificate-not-trusted']],
  [
    'enforce, a certificate for another name',
    policy('enforce'),
    () => {
      server.tls = otherName
    },
    UNTRUSTED,
    ['sts certificate-host-mismatch'],
  ],
  ['enforce, no TLS', policy('enforce'), noTls, /offers no TLS/, ['sts starttls-not-supported']],
  [
    'enforce, an MX that is not in the policy',
    policy('enforce', 'mx2.net.example'),
    () => undefined,
    /^451 4\.7\.5 No MX of net\.example is one that its MTA-STS policy names$/,
    ['sts validation-failure'],
  ],
  ['testing, a good certificate', policy('testing'), () => undefined, /^sent over TLS$/, ['sts good']],
  ['testing, a certificate of nobody', policy('testing'), bad, /^sent over TLS$/, ['sts certificate-not-trusted']],
  ['testing, no TLS', policy('testing'), noTls, /^sent in the clear$/, ['sts starttls-not-supported']],
  ['none, a certificate of nobody', policy('none'), bad, /^sent over TLS$/, ['no-policy-found good']],
  [
    'a policy that cannot be read, no TLS',
    'nothing',
    noTls,
    /^sent in the clear$/,
    ['sts sts-policy-invalid', 'no-policy-found good'],
  ],
] as const) {
  test(`MTA-STS: ${name}`, async () => {
    change()
    const zone = parseZone(ZONE)
    const sender = await sendFrom(
      zoneResolver(() => zone),
      await serve(() => ({ text: page })),
    )
    assert.match(await outcome(sender), wanted)
    assert.deepEqual(sessions(sender), session)
    if (!wanted.test('sent in the clear') && !wanted.test('sent over TLS')) assert.deepEqual(server.letters, [])
  })
}

for (const [name, page, certificate] of [
  ['with another status', { status: 404, text: policy('enforce') }, https],
  ['that sends elsewhere', { status: 301, text: policy('enforce') }, https],
  ['of another type', { type: 'text/html', text: policy('enforce') }, https],
  ['that is too long', { text: `${policy('enforce')}${'x: y\n'.repeat(20_000)}` }, https],
  ['from a server with a certificate for another name', { text: policy('enforce') }, otherName],
] as const) {
  test(`MTA-STS: a policy ${name} is none, and that is counted`, async () => {
    noTls()
    const zone = parseZone(ZONE)
    const sender = await sendFrom(
      zoneResolver(() => zone),
      await serve(() => page, certificate),
    )
    assert.equal(await outcome(sender), 'sent in the clear')
    assert.deepEqual(sessions(sender), ['sts sts-policy-fetch-error', 'no-policy-found good'])
  })
}

test('MTA-STS: a policy that is kept holds while record and text cannot be had', async () => {
  let zone = parseZone(ZONE)
  let page: Page = { text: policy('enforce') }
  const names = zoneResolver(() => zone)
  let nowMs = 0
  const policies = new StsPolicies({
    resolver: names,
    fetch: createPolicyFetch({ resolver: names, clock: nodeClock, port: await serve(() => page), ca: authority.cert }),
    clock: { ...nodeClock, monotonicMs: () => nowMs },
    logger: silentLogger,
  })
  const mode = async () => (await policies.of('net.example')).policy?.mode ?? null
  assert.equal(await mode(), 'enforce')
  page = { status: 503, text: '' }
  assert.equal(await mode(), 'enforce', 'the id is the same: nobody asks')
  zone = parseZone(ZONE.replace('id=1', 'id=2'))
  assert.equal(await mode(), 'enforce', 'the new one cannot be had')
  zone = new Map()
  assert.equal(await mode(), 'enforce', 'the record is gone')
  nowMs += 86_400_000
  assert.equal(await mode(), null, 'its time is over')
  zone = parseZone(ZONE.replace('id=1', 'id=3'))
  page = { text: policy('testing') }
  assert.equal(await mode(), 'testing')
})
