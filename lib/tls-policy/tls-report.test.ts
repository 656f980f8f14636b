import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TlsReport, TlsReports, type TlsSession } from './tls-report.ts'

function counting() {
  const state = { nowMs: Date.parse('2026-03-01T23:00:00Z') }
  const days: (readonly TlsReport[])[] = []
  const clock = { nowMs: () => state.nowMs, monotonicMs: () => state.nowMs, after: () => () => undefined }
  const reports = new TlsReports(clock, (day) => days.push(day))
  return { state, days, reports }
}
const GOOD: TlsSession = {
  domain: 'example.net',
  policy: 'sts',
  failure: null,
  host: 'mx.example.net',
  address: '192.0.2.1',
  reason: '',
}
const BAD: TlsSession = { ...GOOD, failure: 'certificate-expired', reason: 'old' }

test('A day that is over is handed out, in the form of RFC 8460', () => {
  const { state, days, reports } = counting()
  for (const session of [GOOD, BAD, BAD, GOOD, GOOD]) reports.count(session)
  assert.equal(days.length, 0)
  state.nowMs += 3_600_000
  reports.count(GOOD)
  assert.deepEqual(days, [
    [
      {
        'date-range': { 'start-datetime': '2026-03-01T00:00:00Z', 'end-datetime': '2026-03-01T23:59:59Z' },
        policies: [
          {
            policy: { 'policy-type': 'sts', 'policy-domain': 'example.net' },
            summary: { 'total-successful-session-count': 3, 'total-failure-session-count': 2 },
            'failure-details': [
              {
                'result-type': 'certificate-expired',
                'receiving-mx-hostname': 'mx.example.net',
                'receiving-ip': '192.0.2.1',
                'failed-session-count': 2,
                'failure-reason-code': 'old',
              },
            ],
          },
        ],
      },
    ],
  ])
  reports.end()
  assert.equal(days[1]?.[0]?.policies[0]?.summary['total-successful-session-count'], 1)
})

test('Kinds of failures are bounded, their sum is true', () => {
  const { days, reports } = counting()
  for (let i = 0; i < 200; i++) reports.count({ ...BAD, reason: `reason ${i}` })
  reports.end()
  const [policy] = days[0]?.[0]?.policies ?? []
  assert.equal(policy?.['failure-details'].length, 50)
  assert.equal(policy?.summary['total-failure-session-count'], 200)
})

test('Nothing is handed out of a day without sessions', () => {
  const { days, reports } = counting()
  reports.end()
  assert.deepEqual(days, [])
})
