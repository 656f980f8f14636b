import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventAggregator, type EventFact } from './event-aggregator.ts'

const fact = (change: Partial<EventFact> = {}): EventFact => ({
  regardingUid: 'u1',
  type: 'Normal',
  reason: 'MemberReplaced',
  action: 'Replace',
  note: 'n1-0 is outdated',
  ...change,
})

function kinds(aggregator: EventAggregator, facts: readonly [EventFact, number][]): string[] {
  return facts.map(([one, atMs]) => {
    const action = aggregator.decide(one, atMs)
    return action.kind === 'repeat' ? `repeat ${action.count}` : action.kind
  })
}

test('EventAggregator folds repetitions: the first is written, then one a minute with the count', () => {
  const found = kinds(new EventAggregator(), [
    [fact(), 0],
    [fact(), 1_000],
    [fact(), 2_000],
    [fact(), 60_999],
    [fact(), 61_000],
    [fact(), 62_000],
    [fact(), 62_000 + 359_999],
    [fact(), 62_000 + 359_999 + 360_000],
  ])
  assert.deepEqual(found, ['create', 'repeat 2', 'drop', 'drop', 'repeat 5', 'drop', 'repeat 7', 'create'])
})

test('EventAggregator keeps apart what differs in object, type, reason, action or words', () => {
  const differing = [
    fact(),
    fact({ regardingUid: 'u2' }),
    fact({ type: 'Warning' }),
    fact({ reason: 'SwitchedOver' }),
    fact({ action: 'Wait' }),
    fact({ note: 'n1-1 is outdated' }),
  ]
  assert.deepEqual(
    kinds(
      new EventAggregator(),
      differing.map((one) => [one, 0]),
    ),
    differing.map(() => 'create'),
  )
})

test('EventAggregator silences a flood about one object, not about others, and lets it speak again later', () => {
  const aggregator = new EventAggregator()
  const flood = Array.from({ length: 100 }, (_, i): [EventFact, number] => [fact({ note: `number ${i}` }), i])
  assert.equal(kinds(aggregator, flood).filter((kind) => kind === 'create').length, 25)
  assert.deepEqual(kinds(aggregator, [[fact({ regardingUid: 'u2' }), 200]]), ['create'])
  assert.deepEqual(
    kinds(aggregator, [
      [fact({ note: 'later' }), 59_000],
      [fact({ note: 'later' }), 60_000],
    ]),
    ['drop', 'create'],
  )
})

test('EventAggregator begins a series anew that was forgotten', () => {
  const aggregator = new EventAggregator()
  const first = aggregator.decide(fact(), 0)
  assert.ok(first.kind === 'create')
  aggregator.forget(first.series)
  assert.equal(aggregator.decide(fact(), 1).kind, 'create')
})
