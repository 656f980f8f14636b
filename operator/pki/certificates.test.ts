import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { silentLogger } from '#lib/log/logger.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { identityFromAltNames } from '#lib/tls/roles.ts'
import { createAuthority, issueLeaf, type KeyPair, LEAF_DAYS, namesRequest, whyRenew } from './certificates.ts'
import { openCertificateStore } from './store.ts'

const NOW = Date.UTC(2026, 5, 1)
const DAY = 86_400_000
const request = namesRequest('n1-0', ['n1-0.n1.default.svc', '127.0.0.1'], ['twinpost://member/n1-0'])

let authority: KeyPair
let stranger: KeyPair
let leaf: KeyPair
before(async () => {
  authority = await createAuthority('test', Date.now(), nodeRandom)
  stranger = await createAuthority('test', Date.now(), nodeRandom)
  leaf = await issueLeaf(authority, request, Date.now(), nodeRandom)
})

test('issueLeaf() makes certificates that TLS accepts on both sides, with the role of the peer', async (t) => {
  const material = { ...leaf, ca: authority.cert }
  const server = createServer({ ...material, requestCert: true, rejectUnauthorized: true })
  t.after(() => server.close())
  const accepted = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const client = connect({ ...material, host: '127.0.0.1', port: address.port })
  await new Promise((resolve, reject) => client.once('secureConnect', resolve).once('error', reject))
  const peer = await accepted
  assert.deepEqual(identityFromAltNames(peer.getPeerCertificate().subjectaltname), { role: 'member', owner: 'n1-0' })
  client.destroy()
})

test('whyRenew() keeps a certificate that serves', () =>
  assert.equal(whyRenew(leaf.cert, authority.cert, request, Date.now()), null))

const renewals: [name: string, ask: () => string | null, want: string][] = [
  [
    'an authority with the same name',
    () => whyRenew(leaf.cert, stranger.cert, request, Date.now()),
    'signed by another authority',
  ],
  ['another name', () => whyRenew(leaf.cert, authority.cert, { ...request, dns: ['x'] }, Date.now()), 'other names'],
  ['one name less', () => whyRenew(leaf.cert, authority.cert, { ...request, dns: [] }, Date.now()), 'other names'],
  [
    'old age',
    () => whyRenew(leaf.cert, authority.cert, request, Date.now() + LEAF_DAYS * DAY * 0.7),
    'two thirds of its life are over',
  ],
  ['a clock that went back', () => whyRenew(leaf.cert, authority.cert, request, Date.now() - DAY), 'not valid yet'],
  ['something else in the file', () => whyRenew('x', authority.cert, request, Date.now()), 'unreadable'],
]
for (const [name, ask, want] of renewals) {
  test(`whyRenew() renews for ${name}`, () => assert.equal(ask(), want))
}

test('openCertificateStore() uses again what serves and renews what does not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'twinpost-pki-'))
  t.after(() => rmSync(folder, { recursive: true }))
  let nowMs = NOW
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {} }
  const write = (path: string, text: string) => writeFileSync(path, text)
  const open = () => openCertificateStore({ folder, clock, random: nodeRandom, logger: silentLogger, write })
  const first = await (await open()).pair('n1-0', request)
  assert.deepEqual(await (await open()).pair('n1-0', request), first)
  nowMs += LEAF_DAYS * DAY * 0.7
  const again = await open()
  const second = await again.pair('n1-0', request)
  assert.notEqual(second.cert, first.cert)
  assert.ok(new X509Certificate(second.cert).verify(new X509Certificate(again.ca).publicKey))
})
