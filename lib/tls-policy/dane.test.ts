import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { TlsaRecord } from '#lib/dns/types.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { createAuthority, issueLeaf, namesRequest } from '#operator/pki/certificates.ts'
import { daneVerdict, usableRecords } from './dane.ts'

const NOW = Date.parse('2026-03-01T10:00:00Z')
const YEAR_MS = 365 * 86_400_000
const authority = await createAuthority('An authority', NOW, nodeRandom)
const other = await createAuthority('Another', NOW, nodeRandom)
const issued = await issueLeaf(authority, namesRequest('mx', ['mx.example.net', '*.example.org'], []), NOW, nodeRandom)
const leaf = new X509Certificate(issued.cert)
const anchor = new X509Certificate(authority.cert)
const stranger = new X509Certificate(other.cert)

type Way = 'exact' | 'sha256' | 'sha512'
function record(usage: number, selector: number, way: Way, certificate: X509Certificate): TlsaRecord {
  const bytes = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: 'spki', format: 'der' })
  const data = way === 'exact' ? bytes : createHash(way).update(bytes).digest()
  return { usage, selector, matching: ['exact', 'sha256', 'sha512'].indexOf(way), data }
}
const NAMES = ['mx.example.net', 'example.net']

const good: readonly [
  name: string,
  records: TlsaRecord[],
  chain: X509Certificate[],
  names?: string[],
  nowMs?: number,
][] = [
  ...(['exact', 'sha256', 'sha512'] as const).flatMap((way) =>
    [0, 1].flatMap((selector): [string, TlsaRecord[], X509Certificate[]][] => [
      [`3 ${selector} ${way}`, [record(3, selector, way, leaf)], [leaf]],
      [`2 ${selector} ${way}`, [record(2, selector, way, anchor)], [leaf, anchor]],
    ]),
  ),
  ['one of several records', [record(3, 1, 'sha256', stranger), record(3, 1, 'sha256', leaf)], [leaf]],
  ['DANE-EE for another name', [record(3, 1, 'sha256', leaf)], [leaf], ['mx.other.example']],
  ['DANE-EE out of its time', [record(3, 1, 'sha256', leaf)], [leaf], NAMES, NOW + YEAR_MS],
  [
    'DANE-TA for the second name',
    [record(2, 0, 'sha256', anchor)],
    [leaf, anchor],
    ['nothing.example', 'mx.example.net'],
  ],
  ['DANE-TA with a wildcard', [record(2, 0, 'sha256', anchor)], [leaf, anchor], ['mx.example.org']],
  ['DANE-TA with more behind the anchor', [record(2, 0, 'sha256', anchor)], [leaf, anchor, stranger]],
]
for (const [name, records, chain, names = NAMES, nowMs = NOW] of good) {
  test(`daneVerdict() is good: ${name}`, () =>
    assert.deepEqual(daneVerdict(records, chain, names, nowMs), { kind: 'good' }))
}

const bad: readonly [
  name: string,
  failure: string,
  records: TlsaRecord[],
  chain: X509Certificate[],
  names?: string[],
  nowMs?: number,
][] = [
  ['another key', 'validation-failure', [record(3, 1, 'sha256', stranger)], [leaf]],
  ['the key of the issuer as DANE-EE', 'validation-failure', [record(3, 1, 'sha256', anchor)], [leaf, anchor]],
  ['no certificate', 'validation-failure', [record(3, 1, 'sha256', leaf)], []],
  ['an anchor that is not shown', 'validation-failure', [record(2, 0, 'sha256', anchor)], [leaf]],
  ['an anchor that did not sign', 'validation-failure', [record(2, 0, 'sha256', stranger)], [leaf, stranger]],
  ['a gap in the chain', 'validation-failure', [record(2, 0, 'sha256', anchor)], [leaf, stranger, anchor]],
  ['another name', 'certificate-host-mismatch', [record(2, 0, 'sha256', anchor)], [leaf, anchor], ['mx.other.example']],
  ['out of its time', 'certificate-expired', [record(2, 0, 'sha256', anchor)], [leaf, anchor], NAMES, NOW + YEAR_MS],
  [
    'not yet in its time',
    'certificate-expired',
    [record(2, 0, 'sha256', anchor)],
    [leaf, anchor],
    NAMES,
    NOW - YEAR_MS,
  ],
]
for (const [name, failure, records, chain, names = NAMES, nowMs = NOW] of bad) {
  test(`daneVerdict() is ${failure}: ${name}`, () =>
    assert.deepEqual(daneVerdict(records, chain, names, nowMs), { kind: 'bad', failure }))
}

test('usableRecords() leaves out what SMTP does not use or nobody knows', () => {
  const of = (usage: number, selector: number, matching: number): TlsaRecord => ({
    usage,
    selector,
    matching,
    data: Buffer.alloc(32),
  })
  const kept = [of(3, 1, 1), of(2, 0, 0)]
  assert.deepEqual(usableRecords([of(0, 0, 1), of(1, 0, 1), ...kept, of(3, 2, 1), of(3, 1, 3), of(4, 1, 1)]), kept)
})
