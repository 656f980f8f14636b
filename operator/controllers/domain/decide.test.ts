import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domainOf } from '../testing/contexts.ts'
import { Claims } from './claims.ts'
import { bytesOf, claimOf, directoryEntry, keptBy } from './decide.ts'

test('directoryEntry() is what the directory keeps, in lower case and with its owner', () =>
  assert.deepEqual(directoryEntry(domainOf('a', { name: 'example.test', catchAll: 'All@example.test' }), false), {
    name: 'example.test',
    active: true,
    catchAll: 'all@example.test',
    postmaster: null,
    isDefault: false,
    owner: 'Domain mail/a',
  }))

test('directoryEntry() has a filter only where the Domain wishes one', () => {
  const filter = { level: 'low', deny: ['bad.example'] }
  const entry = directoryEntry(domainOf('a', { name: 'example.test', filter }), false)
  assert.deepEqual(entry.filter, { level: 'low', allow: [], deny: ['bad.example'] })
})

test('keptBy() knows entries of Domains from those of others', () => {
  const entry = directoryEntry(domainOf('a', { name: 'example.test' }), true)
  const { owner: _, ...byHand } = entry
  assert.deepEqual([keptBy(entry), keptBy(byHand), keptBy({ ...entry, owner: 'an old one' })], ['mail/a', null, null])
})

const claims = (...domains: ReturnType<typeof domainOf>[]) => {
  const all = new Claims()
  for (const domain of domains) all.set(claimOf(domain).key, claimOf(domain))
  return all
}
const at = (month: number) => ({ creationTimestamp: `2026-0${month}-01T00:00:00Z` })
const cases: [name: string, all: Claims, holder: string | null][] = [
  ['is the only one that claims it', claims(domainOf('a', { name: 'x.test' })), 'mail/a'],
  [
    'is the older one',
    claims(domainOf('a', { name: 'x.test' }, at(2)), domainOf('b', { name: 'x.test' }, at(1))),
    'mail/b',
  ],
  [
    'is the first by key of two of one second',
    claims(domainOf('b', { name: 'x.test' }), domainOf('a', { name: 'x.test' })),
    'mail/a',
  ],
  ['is nobody where nobody claims it', claims(domainOf('a', { name: 'y.test' })), null],
  [
    'may be of another namespace',
    claims(
      domainOf('a', { name: 'x.test' }, at(2)),
      domainOf('a', { name: 'x.test' }, { ...at(1), namespace: 'other' }),
    ),
    'other/a',
  ],
]
for (const [name, all, holder] of cases)
  test(`the holder of a name ${name}`, () => assert.equal(all.holder('x.test'), holder))

test('Claims tells whose case a change touches, and who has the name then', () => {
  const older = claimOf(domainOf('a', { name: 'x.test' }, at(1)))
  const younger = claimOf(domainOf('b', { name: 'x.test' }, at(2)))
  const all = new Claims()
  assert.deepEqual(all.set(younger.key, younger), [])
  assert.deepEqual(all.set(older.key, older), ['mail/b'])
  assert.deepEqual(all.set(older.key, older), [], 'nothing new')
  assert.equal(all.holder('x.test'), 'mail/a')
  assert.deepEqual(all.set(older.key, null), ['mail/b'])
  assert.equal(all.holder('x.test'), 'mail/b')
  assert.deepEqual(all.set(younger.key, null), [])
  assert.equal(all.holder('x.test'), null)
})

test('Claims gives loginDefault to the older one that has its own name', () => {
  const loginDefault = true
  const taken = domainOf('a', { name: 'x.test', loginDefault }, at(2))
  const all = claims(
    domainOf('holder', { name: 'x.test' }, at(1)),
    taken,
    domainOf('c', { name: 'y.test', loginDefault }, at(3)),
    domainOf('d', { name: 'z.test', loginDefault }, at(4)),
  )
  assert.equal(all.defaultHolder(), 'mail/c')
  const changed = domainOf('c', { name: 'y.test' }, at(3))
  assert.deepEqual(all.set('mail/c', claimOf(changed)), ['mail/a', 'mail/d'])
  assert.equal(all.defaultHolder(), 'mail/d')
})

const quantities: [text: string, bytes: number][] = [
  ['1024', 1024],
  ['5Gi', 5 * 1024 ** 3],
  ['500M', 500_000_000],
  ['2k', 2000],
  ['3Ti', 3 * 1024 ** 4],
]
for (const [text, bytes] of quantities) test(`bytesOf() reads ${text}`, () => assert.equal(bytesOf(text), bytes))
