/**
 * Goal: whatever overlaps, however late commit comes, wherever the process dies: what was answered is there with its bytes
 * and UID, no UID means two messages, counters never go back, and the index is what the log says.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ModelRun, type Step } from './testing/model.ts'

const name = fc.constantFrom('INBOX', 'INBOX', 'INBOX', 'Archive', 'Work', 'Work/a', 'New')
const flags = fc.record(
  { system: fc.constantFrom(0, 4, 4, 8, 12), keywords: fc.subarray(['$a', 'b']) },
  { noNullPrototype: true },
)
const oneIn6 = fc.constantFrom(false, false, false, false, false, true)
const bits = fc.nat(0x3fff_ffff)
/** A step with the fields of `model`. */
const of = <K extends string, T>(
  kind: K,
  model: { [P in keyof T]: fc.Arbitrary<T[P]> },
): fc.Arbitrary<{ kind: K } & T> =>
  fc.record<T>(model, { noNullPrototype: true }).map((fields) => ({ kind, ...fields }))

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: of('deliver', {
      mailbox: name,
      both: fc.boolean(),
      large: oneIn6,
      again: oneIn6,
    }),
    weight: 8,
  },
  { arbitrary: of('append', { mailbox: name, flags }), weight: 3 },
  {
    arbitrary: of('store', {
      mailbox: name,
      pick: bits,
      change: fc.constantFrom('add' as const, 'remove' as const, 'replace' as const),
      flags,
    }),
    weight: 5,
  },
  { arbitrary: of('expunge', { mailbox: name }), weight: 2 },
  { arbitrary: of('recent', { mailbox: name }), weight: 1 },
  { arbitrary: of('look', { mailbox: name }), weight: 6 },
  { arbitrary: of('copy', { mailbox: name, pick: bits, target: name }), weight: 2 },
  { arbitrary: of('move', { mailbox: name, pick: bits, target: name }), weight: 2 },
  { arbitrary: of('create', { mailbox: name }), weight: 2 },
  { arbitrary: of('delete', { mailbox: name }), weight: 1 },
  { arbitrary: of('rename', { mailbox: name, target: name }), weight: 1 },
  { arbitrary: of('commit', { part: fc.constantFrom(0.3, 0.6, 1, 1) }), weight: 12 },
  { arbitrary: of('rest', {}), weight: 1 },
  { arbitrary: of('crash', { tail: fc.constantFrom(0, 0.5, 1), indexAge: fc.constantFrom(0, 0.5, 1) }), weight: 1 },
)

const HISTORIES = Number(process.env['MODEL_RUNS'] ?? 60)

test(`MailStore keeps to its model over ${HISTORIES} histories of overlapping operations and crashes`, async () => {
  const done: Record<string, number> = {}
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 40, maxLength: 120, size: 'max' }),
      fc.constantFrom(2, 1_000),
      async (steps, messagesPerStepMax) => {
        const run = await ModelRun.start(messagesPerStepMax)
        for (const one of steps) await run.step(one)
        await run.rest()
        for (const [kind, count] of Object.entries(run.done)) done[kind] = (done[kind] ?? 0) + count
      },
    ),
    { numRuns: HISTORIES },
  )
  for (const kind of ['deliver', 'look', 'crash', 'duplicate', 'rename']) {
    assert.ok((done[kind] ?? 0) > 0, `the histories had no ${kind}: ${JSON.stringify(done)}`)
  }
})
