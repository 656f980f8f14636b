/** Records of the audit trail as rows of a table. Pure. */
import type { AuditEvent } from '#lib/events/audit.ts'

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const

/** `30m`, `2h`, `7d` before now, or a date as `2026-11-25` or `2026-11-25T18:00Z`. Null: it is none of these. */
export function sinceMs(text: string, nowMs: number): number | null {
  const [, number, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (number !== undefined && (unit === 'm' || unit === 'h' || unit === 'd'))
    return nowMs - Number(number) * UNIT_MS[unit]
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? null : date
}

/** Time, who, action, target, outcome, and why or what changed. */
export function auditRow(event: AuditEvent): readonly string[] {
  const time = new Date(event.atMs).toISOString().replace(/\.\d+Z$/, 'Z')
  switch (event.type) {
    case 'audit.provision': {
      const { actor, action, target, outcome, reason, before, after } = event.payload
      return [time, `${actor.name}@${actor.origin}`, action, target, outcome, reason || differences(before, after)]
    }
    case 'audit.login': {
      const { login, clientAddress, protocol, mechanism, outcome, secret } = event.payload
      return [
        time,
        clientAddress,
        `login.${protocol}`,
        login,
        outcome,
        secret === null ? mechanism : `${mechanism}, ${secret}`,
      ]
    }
    default:
      return event satisfies never
  }
}

/** `quotaBytes: 1 -> 2`, for what is in both and not the same. */
function differences(before: Facts, after: Facts): string {
  if (before === null || after === null) return ''
  return Object.keys({ ...before, ...after })
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
    .map((name) => `${name}: ${shown(before[name])} -> ${shown(after[name])}`)
    .join(', ')
}

type Facts = Readonly<Record<string, unknown>> | null

function shown(value: unknown): string {
  if (value === undefined || value === null) return '-'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
