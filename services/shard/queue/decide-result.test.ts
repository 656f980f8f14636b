import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { NotifyOccasion } from '#lib/mail/notify.ts'
import { decideResult, type ResultDecision } from './decide-result.ts'
import { DAY, HOUR, LIFETIME_MS, WARN_AFTER_MS } from './limits.ts'
import { expiryMs, nextTryMs } from './schedule.ts'

const NOW = 1_000 * DAY
const entry = (given = {}) => ({
  kind: 'submission' as const,
  reversePath: 'anna@example.test',
  addedMs: NOW - HOUR,
  expiresMs: NOW + 4 * DAY,
  ...given,
})
const recipient = (given = {}) => ({
  place: 3,
  attempts: 2,
  warned: false,
  notify: null as readonly NotifyOccasion[] | null,
  reply: 'before',
  remote: 'old',
  ...given,
})
const result = (kind: 'delivered' | 'deferred' | 'failed' | 'untried', dsn = false) => ({
  kind,
  reply: 'now',
  remote: 'mx',
  dsn,
})

/** What matters of a decision as a word: `defer`, `defer+delayed`, `failed`, `failed+failed`, ... */
const word = (decision: ResultDecision) => {
  const what = decision.kind === 'defer' ? 'defer' : decision.outcome
  return decision.notice === null ? what : `${what}+${decision.notice}`
}

const cases: [name: string, decision: ResultDecision, want: string][] = [
  ['tells nobody of a delivery', decideResult(entry(), recipient(), result('delivered'), NOW, 0), 'delivered'],
  [
    'tells of a delivery who asked for it, by a server that reports',
    decideResult(entry(), recipient({ notify: ['SUCCESS'] }), result('delivered', true), NOW, 0),
    'delivered+delivered',
  ],
  [
    'tells who asked for success that a server does not report',
    decideResult(entry(), recipient({ notify: ['SUCCESS'] }), result('delivered'), NOW, 0),
    'delivered+relayed',
  ],
  ['tells of a refusal', decideResult(entry(), recipient(), result('failed'), NOW, 0), 'failed+failed'],
  [
    'keeps a refusal from who wants to hear nothing',
    decideResult(entry(), recipient({ notify: [] }), result('failed'), NOW, 0),
    'failed',
  ],
  [
    'keeps a refusal from the null sender',
    decideResult(entry({ reversePath: '' }), recipient(), result('failed'), NOW, 0),
    'failed',
  ],
  [
    'keeps the refusal of a notification to itself',
    decideResult(entry({ kind: 'notification', reversePath: 'x@example.test' }), recipient(), result('failed'), NOW, 0),
    'failed',
  ],
  ['defers', decideResult(entry(), recipient(), result('deferred'), NOW, 0), 'defer'],
  [
    'warns when a letter is late',
    decideResult(entry({ addedMs: NOW - WARN_AFTER_MS }), recipient(), result('deferred'), NOW, 0),
    'defer+delayed',
  ],
  [
    'warns once',
    decideResult(entry({ addedMs: NOW - DAY }), recipient({ warned: true }), result('deferred'), NOW, 0),
    'defer',
  ],
  [
    'warns nobody who asked for failures only',
    decideResult(entry({ addedMs: NOW - DAY }), recipient({ notify: ['FAILURE'] }), result('deferred'), NOW, 0),
    'defer',
  ],
  [
    'gives up when its time is over',
    decideResult(entry({ expiresMs: NOW }), recipient(), result('deferred'), NOW, 0),
    'expired+expired',
  ],
  [
    'does not count what was not tried, whatever its age',
    decideResult(entry({ expiresMs: NOW - 1 }), recipient(), result('untried'), NOW, 0),
    'defer',
  ],
]
for (const [name, decision, want] of cases) {
  test(`decideResult() ${name}`, () => assert.equal(word(decision), want))
}

test('decideResult() keeps attempts and words of a recipient that was given back', () => {
  const decision = decideResult(entry(), recipient(), result('untried'), NOW, 0)
  assert.deepEqual(decision.kind === 'defer' && decision.recipient, {
    place: 3,
    attempts: 2,
    dueMs: NOW,
    held: false,
    warned: false,
    reply: 'before',
    remote: 'old',
  })
})

test('nextTryMs() gives a letter of five days between 25 and 45 tries, the last one at its end', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 60, maxLength: 60 }),
      (chances) => {
        const expiresMs = expiryMs('submission', NOW)
        let now = NOW
        let tries = 1
        while (now < expiresMs) {
          const next = nextTryMs('submission', tries, now, expiresMs, chances[tries] ?? 0)
          assert.ok(next > now && next <= expiresMs)
          now = next
          tries++
        }
        assert.ok(tries >= 25 && tries <= 45, `${tries} tries`)
      },
    ),
  )
})

test('nextTryMs() tries mail inside of the array again within seconds', () => {
  assert.ok(nextTryMs('transit', 1, NOW, NOW + LIFETIME_MS.transit, 0.99) - NOW < 3_000)
})
