/**
 * Arbitrary sessions and arbitrary bytes: both ends agree about a session however it is cut, and no input makes either throw or
 * keep more than a packet. FUZZ_RUNS sets how many.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MilterClient } from './client/client.ts'
import type { Step } from './commands.ts'
import { packet } from './packets.ts'
import { ACTIONS_ALL, STEP, STEPS_ALL } from './protocol.ts'
import type { Edit, Verdict } from './replies.ts'
import { MilterServer } from './server/server.ts'
import { Loop, STEPS_OF_A_LETTER, saidText, seenText } from './testing/loop.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 500)

const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Verdict>({ kind: 'continue' }) },
  fc.constantFrom<Verdict>(
    { kind: 'accept' },
    { kind: 'skip' },
    { kind: 'reject', reply: null },
    { kind: 'tempfail', reply: { code: 451, lines: ['4.7.1 Later', '4.7.1 please'] } },
  ),
)
const edit = fc.constantFrom<Edit>(
  { kind: 'add-header', name: 'X', value: 'y' },
  { kind: 'delete-recipient', path: '<a@example.test>' },
  { kind: 'replace-body', piece: Buffer.from('body') },
)
const steps = fc
  .array(fc.integer({ min: 0, max: 20 }), { maxLength: 8 })
  .map((bits) => bits.reduce((flags, bit) => flags | (1 << bit), 0) & STEPS_ALL & ~STEP.rejectedRecipients)
/** Letters, some given up, some for another client. */
const session = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<'letter'>('letter') },
    fc.constantFrom<'abort' | 'new' | Step>(
      'abort',
      'new',
      { kind: 'unknown', line: 'FOO' },
      ...STEPS_OF_A_LETTER.slice(1, 4),
    ),
  ),
  { maxLength: 8 },
)

function play(
  filterSteps: number,
  asked: readonly ('letter' | 'abort' | 'new' | Step)[],
  verdicts: readonly Verdict[],
  edits: readonly Edit[],
  cuts: readonly number[] | null,
): Loop {
  let answered = 0
  let cut = 0
  const loop = new Loop({
    filter: { actions: ACTIONS_ALL, steps: filterSteps },
    answer: () => ({ verdict: verdicts[answered++ % Math.max(1, verdicts.length)] ?? { kind: 'continue' }, edits }),
    ...(cuts === null ? {} : { cut: () => cuts[cut++ % Math.max(1, cuts.length)] ?? 1 }),
  })
  for (const what of asked) {
    if (what === 'letter') for (const step of STEPS_OF_A_LETTER) loop.ask(step)
    else if (what === 'abort') loop.client.abort()
    else if (what === 'new') loop.client.newConnection()
    else loop.ask(what)
    loop.run()
  }
  return loop
}

test('both ends agree about a session, however it is cut', () => {
  fc.assert(
    fc.property(
      steps,
      session,
      fc.array(verdict, { minLength: 1, maxLength: 40 }),
      fc.array(edit, { maxLength: 3 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (filterSteps, asked, verdicts, edits, cuts) => {
        const whole = play(filterSteps, asked, verdicts, edits, null)
        const pieces = play(filterSteps, asked, verdicts, edits, cuts)
        assert.deepEqual(pieces.said.map(saidText), whole.said.map(saidText))
        assert.deepEqual(pieces.seen.map(seenText), whole.seen.map(seenText))
        const questions = asked.flatMap((what) => {
          if (typeof what === 'object') return [what.kind]
          return what === 'letter' ? STEPS_OF_A_LETTER.map(({ kind }) => kind) : []
        })
        const failed = whole.said.some(({ kind }) => kind === 'failed')
        const settled = whole.said.flatMap((event) => (event.kind === 'settled' ? [event.step] : []))
        assert.deepEqual(settled, failed ? questions.slice(0, settled.length) : questions)
        assert.equal(
          whole.seen.some(({ kind }) => kind === 'failed'),
          false,
        )
      },
    ),
    { numRuns },
  )
})

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 30 }).map((noise) => Buffer.from(noise)),
  fc
    .tuple(fc.constantFrom(...'OCHMRTLNBEUDAQKcadsrtfyphime2+-bq4'), fc.uint8Array({ maxLength: 20 }))
    .map(([letter, data]) => packet(letter, Buffer.from(data))),
  fc.constantFrom(packet('c'), packet('p'), packet('O', Buffer.from('000000060000010000000400', 'hex')), packet('E')),
)

test('no bytes make a client throw', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(bytes, fc.nat({ max: STEPS_OF_A_LETTER.length - 1 })), { maxLength: 60 }),
      (pushed) => {
        const client = new MilterClient({ actions: ACTIONS_ALL, newBodyBytesMax: 100 })
        for (const what of pushed) {
          if (typeof what === 'number') client.ask(STEPS_OF_A_LETTER[what] ?? { kind: 'data' })
          else client.push(Buffer.from(what))
          while (client.next() !== null);
          client.takeOutput()
        }
      },
    ),
    { numRuns },
  )
})

test('no bytes make a filter throw', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 60 }), fc.array(verdict, { minLength: 1 }), (pushed, verdicts) => {
      const server = new MilterServer({ actions: 0, steps: 0, macros: new Map() })
      let answered = 0
      for (const what of pushed) {
        server.push(Buffer.from(what))
        for (let event = server.next(); event !== null; event = server.next()) {
          if (event.kind === 'step' && event.answer)
            server.settle(verdicts[answered++ % verdicts.length] ?? { kind: 'continue' })
        }
        server.takeOutput()
      }
    }),
    { numRuns },
  )
})
