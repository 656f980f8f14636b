import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideMove, type MoveAction, type MoveFacts, type TargetFacts } from './decide.ts'
import { AWAY_MS, DROP_MS, FAILURES_MAX, FREEZES_MAX, QUEUE_MS, ROUNDS_MAX } from './limits.ts'

const fresh: MoveFacts = {
  source: 'copying',
  served: true,
  generation: 2,
  target: { kind: 'copying' },
  rounds: 0,
  lastRound: null,
  failures: 0,
  failure: '',
  freezes: 0,
  queued: null,
  queuedForMs: 0,
}
const OWNED: TargetFacts = { kind: 'owned', generation: 2 }
const slow = { ms: 9_000, changes: 9_000 }

const rows: [name: string, facts: Partial<MoveFacts>, want: MoveAction['kind']][] = [
  ['asks a target of which it knows nothing', { target: { kind: 'unknown' } }, 'ask'],
  ['offers the account to a target that has nothing', { target: { kind: 'none' } }, 'offer'],
  ['copies into a target that has begun', {}, 'copy'],
  ['copies once more after a long round with many changes', { rounds: 1, lastRound: slow }, 'copy'],
  ['stops writes after a quick round', { rounds: 2, lastRound: { ms: 20, changes: 5_000 } }, 'freeze'],
  ['stops writes after a small round', { rounds: 2, lastRound: { ms: 5_000, changes: 3 } }, 'freeze'],
  ['stops writes after many rounds', { rounds: ROUNDS_MAX, lastRound: slow }, 'freeze'],
  [
    'copies again where a freeze was in vain and the target had all of it',
    { target: { kind: 'ready' }, rounds: 3, lastRound: slow, freezes: 1 },
    'copy',
  ],
  ['gives up after many freezes in vain', { lastRound: slow, freezes: FREEZES_MAX }, 'cancel'],
  ['waits for a target that is away', { target: { kind: 'away', forMs: 1 } }, 'wait'],
  ['gives up when it is away for long', { target: { kind: 'away', forMs: AWAY_MS } }, 'cancel'],
  ['gives up when the target will not', { target: { kind: 'refuses', reason: 'full' } }, 'cancel'],
  ['gives up when the target takes no more copies', { target: { kind: 'sealed' } }, 'cancel'],
  ['gives up when its steps fail again and again', { failures: FAILURES_MAX, failure: 'rotten' }, 'cancel'],
  [
    'never does so after the decision',
    { source: 'decided', target: { kind: 'ready' }, failures: FAILURES_MAX },
    'tell-own',
  ],
  ['gives up when the account was deleted', { served: false }, 'cancel'],
  ['yields to a target that owns the account already', { target: { kind: 'owned', generation: 2 } }, 'yield'],
  ['yields also while it gives up', { source: 'cancelling', target: { kind: 'owned', generation: 3 } }, 'yield'],
  ['drops what was copied when it gives up', { source: 'cancelling', target: { kind: 'ready' } }, 'drop'],
  ['is over when there is nothing to drop', { source: 'cancelling', target: { kind: 'none' } }, 'end'],
  ['waits to tell a target that is away', { source: 'cancelling', target: { kind: 'away', forMs: 1 } }, 'wait'],
  ['leaves it to find out by itself', { source: 'cancelling', target: { kind: 'away', forMs: DROP_MS } }, 'end'],
  ['tells a target to own what it has', { source: 'decided', target: { kind: 'ready' } }, 'tell-own'],
  ['tells it also when it was recovered by force', { source: 'decided', target: { kind: 'sealed' } }, 'tell-own'],
  ['waits for ever after the decision', { source: 'decided', target: { kind: 'away', forMs: 1e9 } }, 'wait'],
  ['looks after the queue when the target owns it', { source: 'decided', target: OWNED }, 'hand-over'],
  [
    'looks again while a letter is being tried',
    { source: 'decided', target: OWNED, queued: 1, queuedForMs: 9 },
    'hand-over',
  ],
  [
    'leaves a letter that is always being tried',
    { source: 'decided', target: OWNED, queued: 1, queuedForMs: QUEUE_MS },
    'end',
  ],
  ['is over when the queue has followed', { source: 'decided', target: OWNED, queued: 0 }, 'end'],
  ['tells an earlier owner', { source: 'decided', target: { kind: 'owned', generation: 1 } }, 'tell-own'],
  ['does nothing when it is over', { source: 'over' }, 'nothing'],
]
for (const [name, facts, want] of rows) {
  test(`decideMove() ${name}`, () => assert.equal(decideMove({ ...fresh, ...facts }).kind, want))
}

const target: fc.Arbitrary<TargetFacts> = fc.oneof(
  fc.constant({ kind: 'unknown' as const }),
  fc.record({ kind: fc.constant('away' as const), forMs: fc.nat(1_000_000) }),
  fc.constant({ kind: 'refuses' as const, reason: 'full' }),
  fc.constantFrom('none', 'copying', 'ready', 'sealed').map((kind): TargetFacts => ({ kind })),
  fc.record({ kind: fc.constant('owned' as const), generation: fc.nat(4) }),
)
const anything: fc.Arbitrary<MoveFacts> = fc.record({
  source: fc.constantFrom('copying', 'decided', 'cancelling'),
  served: fc.boolean(),
  generation: fc.integer({ min: 1, max: 4 }),
  target,
  rounds: fc.nat(30),
  lastRound: fc.option(fc.record({ ms: fc.nat(10_000), changes: fc.nat(10_000) })),
  failures: fc.nat(600),
  failure: fc.constant('rotten'),
  freezes: fc.nat(30),
  queued: fc.option(fc.nat(3)),
  queuedForMs: fc.nat(100_000),
})

test('decideMove() never gives up after the decision, and never tells anybody to own before it', () => {
  fc.assert(
    fc.property(anything, (facts) => {
      const { kind } = decideMove(facts)
      if (facts.source === 'decided') assert.ok(['ask', 'tell-own', 'hand-over', 'end', 'wait'].includes(kind), kind)
      else assert.ok(kind !== 'tell-own' && kind !== 'hand-over', kind)
      if (kind === 'end' && facts.source === 'decided') assert.equal(facts.target.kind, 'owned')
      if (kind === 'freeze') assert.ok(facts.served && facts.source === 'copying' && facts.lastRound !== null)
    }),
  )
})
