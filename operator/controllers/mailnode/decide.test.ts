import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decidePhase, decideRollout, type RolloutAction, type SeenMember } from './decide.ts'

const member = (pod: string, what: Partial<SeenMember> = {}): SeenMember => ({
  pod,
  outdated: false,
  ready: true,
  ...what,
})

const rollouts: [name: string, members: SeenMember[], want: RolloutAction][] = [
  ['does nothing when both are up to date', [member('a'), member('b')], { kind: 'none' }],
  [
    'does nothing about a member that is down but up to date',
    [member('a', { ready: false }), member('b')],
    { kind: 'none' },
  ],
  [
    'replaces one of two outdated members while both are ready',
    [member('a', { outdated: true }), member('b', { outdated: true })],
    { kind: 'replace', pod: 'a', reason: 'outdated' },
  ],
  [
    'waits while the other is not ready',
    [member('a', { outdated: true }), member('b', { ready: false })],
    { kind: 'wait', reason: 'peer-not-ready' },
  ],
  ['waits while the other is missing', [member('a', { outdated: true })], { kind: 'wait', reason: 'member-missing' }],
  [
    'replaces an outdated member that is down, whatever the other does',
    [member('a', { outdated: true }), member('b', { outdated: true, ready: false })],
    { kind: 'replace', pod: 'b', reason: 'outdated-and-down' },
  ],
]
for (const [name, members, want] of rollouts) {
  test(`decideRollout() ${name}`, () => assert.deepEqual(decideRollout(members, 2), want))
}

const phases: [members: SeenMember[], phase: string, ready: boolean][] = [
  [[], 'Pending', false],
  [[member('a', { ready: false })], 'Starting', false],
  [[member('a'), member('b', { ready: false })], 'Degraded', false],
  [[member('a'), member('b')], 'Running', true],
]
for (const [members, phase, ready] of phases) {
  test(`decidePhase() says ${phase}`, () => {
    const found = decidePhase(members, 2)
    assert.deepEqual([found.phase, found.ready], [phase, ready])
  })
}
