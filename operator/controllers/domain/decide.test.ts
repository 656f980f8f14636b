import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Domain } from '#operator/api/mod.ts'
import { bytesOf, decideDomains } from './decide.ts'

const domain = (name: string, spec: Record<string, unknown>, creationTimestamp?: string): Domain =>
  Domain.parse({
    apiVersion: 'twinpost.io/v1alpha1',
    kind: 'Domain',
    metadata: { name, ...(creationTimestamp ? { creationTimestamp } : {}) },
    spec,
  })

test('decideDomains() writes what the directory keeps, in lower case', () =>
  assert.deepEqual(decideDomains([domain('a', { name: 'example.test', catchAll: 'All@example.test' })]), [
    {
      resource: 'a',
      conflict: null,
      entry: {
        name: 'example.test',
        active: true,
        catchAll: 'all@example.test',
        postmaster: null,
        isDefault: false,
      },
    },
  ]))

test('decideDomains() gives a name that two claim to the older one', () => {
  const younger = domain('a', { name: 'example.test' }, '2026-02-01T00:00:00Z')
  const older = domain('b', { name: 'example.test' }, '2026-01-01T00:00:00Z')
  const verdicts = decideDomains([younger, older])
  assert.deepEqual(
    verdicts.map(({ resource, conflict }) => [resource, conflict]),
    [
      ['b', null],
      ['a', 'b'],
    ],
  )
})

const quantities: [text: string, bytes: number][] = [
  ['1024', 1024],
  ['5Gi', 5 * 1024 ** 3],
  ['500M', 500_000_000],
  ['2k', 2000],
  ['3Ti', 3 * 1024 ** 4],
]
for (const [text, bytes] of quantities) test(`bytesOf() reads ${text}`, () => assert.equal(bytesOf(text), bytes))
