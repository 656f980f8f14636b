import assert from 'node:assert/strict'
import { createPublicKey, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import { domainOf } from '../testing/contexts.ts'
import { generateDkimKeys } from './generate-keys.ts'
import {
  type DkimKeyPair,
  decideKeys,
  dkimRecords,
  dkimSecret,
  type KeySet,
  RETIRED_FOR_MS,
  readKeySets,
  signingKeys,
  stateOf,
} from './keys.ts'

const keys: DkimKeyPair = await generateDkimKeys()
const NOW = Date.parse('2026-03-01T10:00:00Z')
const DAY_MS = 86_400_000
const time = (daysAgo: number) => new Date(NOW - daysAgo * DAY_MS).toISOString()
const waiting = (keySet: number): KeySet => ({ keySet, seenAt: null, retiredAt: null, keys })
const active = (keySet: number): KeySet => ({ keySet, seenAt: time(30), retiredAt: null, keys })
const retired = (keySet: number, daysAgo: number): KeySet => ({ ...active(keySet), retiredAt: time(daysAgo) })
const never = () => false

const cases: [
  name: string,
  sets: KeySet[],
  wanted: number,
  published: number[],
  decided: { states: string[]; changed: boolean; make: number | null },
][] = [
  ['makes the first set', [], 1, [], { states: [], changed: false, make: 1 }],
  ['leaves one that waits', [waiting(1)], 1, [], { states: ['1 waiting'], changed: false, make: null }],
  ['takes one that was seen', [waiting(1)], 1, [1], { states: ['1 active'], changed: true, make: null }],
  ['leaves one that is active', [active(1)], 1, [], { states: ['1 active'], changed: false, make: null }],
  ['makes the next set beside the active one', [active(1)], 2, [], { states: ['1 active'], changed: false, make: 2 }],
  [
    'keeps the old one while the new one waits',
    [waiting(2), active(1)],
    2,
    [],
    { states: ['2 waiting', '1 active'], changed: false, make: null },
  ],
  [
    'lets the new one take over',
    [active(1), waiting(2)],
    2,
    [2],
    { states: ['2 active', '1 retired'], changed: true, make: null },
  ],
  [
    'gives up one that was never seen',
    [waiting(3), waiting(2), active(1)],
    3,
    [3],
    { states: ['3 active', '2 retired', '1 retired'], changed: true, make: null },
  ],
  [
    'keeps a retired one for a week',
    [active(2), retired(1, 6.9)],
    2,
    [],
    { states: ['2 active', '1 retired'], changed: false, make: null },
  ],
  [
    'drops a retired one after a week',
    [active(2), retired(1, 7)],
    2,
    [],
    { states: ['2 active'], changed: true, make: null },
  ],
  ['never goes back to a smaller number', [active(5)], 1, [], { states: ['5 active'], changed: false, make: null }],
]
for (const [name, sets, wanted, published, expected] of cases) {
  test(`decideKeys() ${name}`, () => {
    const decided = decideKeys(sets, wanted, ({ keySet }) => published.includes(keySet), NOW)
    const states = decided.sets.map((set) => `${set.keySet} ${stateOf(set)}`)
    assert.deepEqual({ states, changed: decided.changed, make: decided.make }, expected)
    const again = decideKeys(decided.sets, wanted, never, NOW)
    assert.equal(again.changed, false, 'decided once, it stays so')
  })
}

test('decideKeys() says when the next set may go', () => {
  assert.equal(decideKeys([active(2), retired(1, 1)], 2, never, NOW).againMs, RETIRED_FOR_MS - DAY_MS)
  assert.equal(decideKeys([active(2)], 2, never, NOW).againMs, null)
})

test('dkimRecords() publishes what checks a signature of the set', () => {
  const [rsa, ed25519] = dkimRecords(waiting(7))
  assert.deepEqual([rsa?.selector, ed25519?.selector], ['tp7-rsa', 'tp7-ed25519'])
  const published = (text: string | undefined, k: string) => {
    const match = /^v=DKIM1; k=(rsa|ed25519); p=([A-Za-z0-9+/]+=*)$/.exec(text ?? '')
    assert.equal(match?.[1], k)
    return Buffer.from(match?.[2] ?? '', 'base64')
  }
  const data = Buffer.from('a letter')
  const rsaKey = createPublicKey({ key: published(rsa?.text, 'rsa'), format: 'der', type: 'spki' })
  assert.equal(rsaKey.asymmetricKeyDetails?.modulusLength, 2048)
  assert.ok(verify('sha256', data, rsaKey, sign('sha256', data, keys.rsa)))
  const x = published(ed25519?.text, 'ed25519')
  assert.equal(x.length, 32, 'the bare key (RFC 8463)')
  const edKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') }, format: 'jwk' })
  assert.ok(verify(null, data, edKey, sign(null, data, keys.ed25519)))
})

test('a Secret gives back the sets that were put into it, and keeps what others added', () => {
  const domain = domainOf('a', { name: 'example.test' })
  const sets = [waiting(2), active(1)]
  const secret = dkimSecret(domain, sets, null)
  assert.deepEqual(readKeySets(secret), { sets })
  assert.equal(secret.metadata.ownerReferences, undefined)
  const present = { ...secret, metadata: { ...secret.metadata, labels: { ...secret.metadata.labels, team: 'x' } } }
  assert.equal(dkimSecret(domain, sets, present).metadata.labels?.['team'], 'x')
})

test('a Secret that cannot be read is a problem in words, never an empty one', () => {
  const secret = dkimSecret(domainOf('a', { name: 'example.test' }), [active(1)], null)
  const broken: Record<string, string>[] = [
    {},
    { ...secret.stringData, 'keys.json': '{' },
    { ...secret.stringData, 'keys.json': '{"version":2,"sets":[]}' },
    { ...secret.stringData, 'tp1-rsa.pem': 'no key' },
  ]
  for (const stringData of broken) {
    const read = readKeySets({ ...secret, stringData })
    assert.ok('problem' in read && read.problem.startsWith('Secret mail/a-dkim '), JSON.stringify(read))
  }
})

test('signingKeys() gives those that the DNS has, never those that wait or are retired', () => {
  const selectors = (sets: KeySet[]) => signingKeys(sets).map(({ selector }) => selector)
  assert.deepEqual(selectors([waiting(1)]), [])
  assert.deepEqual(selectors([waiting(3), active(2), retired(1, 2)]), ['tp2-rsa', 'tp2-ed25519'])
  assert.deepEqual(selectors([retired(1, 2)]), [])
})
