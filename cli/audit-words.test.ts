import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditEvent } from '#lib/events/audit.ts'
import { auditRow, sinceMs } from './audit-words.ts'

const NOW = Date.parse('2026-11-25T12:00:00Z')
const times: [text: string, want: number | null][] = [
  ['30m', NOW - 1_800_000],
  ['2h', NOW - 7_200_000],
  ['7d', NOW - 7 * 86_400_000],
  ['2026-11-25', Date.parse('2026-11-25T00:00:00Z')],
  ['2026-11-25T11:00Z', NOW - 3_600_000],
  ['yesterday', null],
  ['7', null],
  ['-1d', null],
]
for (const [text, want] of times) test(`sinceMs(${text})`, () => assert.equal(sinceMs(text, NOW), want))

const header = { id: 'e1', source: 'provision', atMs: NOW }
test('auditRow() shows who did what, and what is different now', () => {
  const event: AuditEvent = {
    ...header,
    type: 'audit.provision',
    payload: {
      actor: { name: 'root', origin: 'cli' },
      action: 'account.quota',
      target: 'anna@a.example',
      reason: '',
      outcome: 'changed',
      before: { quotaBytes: null, aliases: ['a@a.example'], status: 'active' },
      after: { quotaBytes: 5, aliases: [], status: 'active' },
    },
  }
  const row = auditRow(event)
  assert.deepEqual(row.slice(0, 5), ['2026-11-25T12:00:00Z', 'root@cli', 'account.quota', 'anna@a.example', 'changed'])
  assert.equal(row[5], 'quotaBytes: - -> 5, aliases: ["a@a.example"] -> []')
  const suspended = { ...event, payload: { ...event.payload, reason: 'spam' } }
  assert.equal(auditRow(suspended)[5], 'spam')
})

test('auditRow() shows a login', () => {
  const row = auditRow({
    ...header,
    type: 'audit.login',
    payload: {
      account: null,
      login: 'anna@a.example',
      protocol: 'imap',
      mechanism: 'PLAIN',
      secret: 'phone',
      outcome: 'ok',
      clientAddress: '192.0.2.1',
      session: 's1',
    },
  })
  assert.deepEqual(row.slice(1), ['192.0.2.1', 'login.imap', 'anna@a.example', 'ok', 'PLAIN, phone'])
})
