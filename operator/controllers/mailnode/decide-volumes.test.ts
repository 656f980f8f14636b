import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideVolumes, type SeenClaim, type VolumeDecision } from './decide-volumes.ts'

const claim = (name: string, requested: string, capacity: string | null = requested): SeenClaim => ({
  name,
  requested,
  capacity,
})
const both = (requested: string, capacity?: string) => [
  claim('a', requested, capacity),
  claim('b', requested, capacity),
]

const cases: [name: string, wanted: string, template: string | null, claims: SeenClaim[], want: VolumeDecision][] = [
  ['nothing while all is as wanted', '10Gi', '10Gi', both('10Gi'), { grow: [], renewTemplate: false, waiting: null }],
  ['nothing before there are claims', '10Gi', null, [], { grow: [], renewTemplate: false, waiting: null }],
  ['nothing about another spelling', '1024Mi', '1Gi', both('1Gi'), { grow: [], renewTemplate: false, waiting: null }],
  [
    'the claims first',
    '20Gi',
    '10Gi',
    [claim('a', '20Gi', '10Gi'), claim('b', '10Gi')],
    { grow: ['b'], renewTemplate: false, waiting: 'Volumes grow to 20Gi: a, b' },
  ],
  [
    'then the template, while the storage still grows',
    '20Gi',
    '10Gi',
    both('20Gi', '10Gi'),
    { grow: [], renewTemplate: true, waiting: 'Volumes grow to 20Gi: a, b' },
  ],
  [
    'the template alone where the volumes are larger already',
    '20Gi',
    '10Gi',
    both('30Gi'),
    { grow: [], renewTemplate: true, waiting: 'The claim template changes from 10Gi to 20Gi' },
  ],
  [
    'waiting for the storage',
    '20Gi',
    '20Gi',
    [claim('a', '20Gi', '10Gi'), claim('b', '20Gi')],
    { grow: [], renewTemplate: false, waiting: 'Volumes grow to 20Gi: a' },
  ],
  [
    'nothing about a claim without a volume',
    '20Gi',
    '20Gi',
    [claim('a', '20Gi', null)],
    { grow: [], renewTemplate: false, waiting: null },
  ],
]
for (const [name, wanted, template, claims, want] of cases) {
  test(`decideVolumes(): ${name}`, () => assert.deepEqual(decideVolumes(wanted, template, claims), want))
}
