/** The outcome as numbers, ratios and a table. */
import type { DeliverFigures } from './work/deliver.ts'
import type { MemoryFigures } from './work/idle-memory.ts'
import type { ImapFigures } from './work/imap-mix.ts'

/** Null where something was not measured, because it failed or was left out. */
export interface Figures {
  readonly deliver: DeliverFigures | null
  /** The same with one member stopped; Twinpost only. */
  readonly deliverOneCopy: DeliverFigures | null
  readonly deliverPerConnection: DeliverFigures | null
  readonly imap: ImapFigures | null
  readonly idleMemory: MemoryFigures | null
}

/** Above 1: Twinpost is faster, or smaller. Null where one side is missing. */
export interface Ratios {
  readonly deliver: number | null
  /** Two copies against one, both Twinpost. */
  readonly twoCopies: number | null
  readonly deliverPerConnection: number | null
  readonly imap: number | null
  readonly idleMemory: number | null
}

export function ratios(ours: Figures, theirs: Figures | null): Ratios {
  const more = (a: number | undefined, b: number | undefined) => (a === undefined || !b ? null : a / b)
  return {
    deliver: more(ours.deliver?.readablePerSecond, theirs?.deliver?.readablePerSecond),
    twoCopies: more(ours.deliver?.readablePerSecond, ours.deliverOneCopy?.readablePerSecond),
    deliverPerConnection: more(
      ours.deliverPerConnection?.readablePerSecond,
      theirs?.deliverPerConnection?.readablePerSecond,
    ),
    imap: more(ours.imap?.commandsPerSecond, theirs?.imap?.commandsPerSecond),
    // Less is better here, so theirs stands above.
    idleMemory: more(theirs?.idleMemory?.totalKibPerSession, ours.idleMemory?.totalKibPerSession),
  }
}

/** Rows of text columns, right-aligned but for the first. */
export function table(ours: Figures | null, theirs: Figures | null): string {
  const ratio = ours === null ? null : ratios(ours, theirs)
  const line = (title: string, unit: string, pick: (f: Figures) => number | undefined, value: number | null = null) => [
    title,
    unit,
    number(ours ? pick(ours) : undefined),
    number(theirs ? pick(theirs) : undefined),
    value === null ? '-' : value.toFixed(2),
  ]
  const rows = [
    ['', '', 'twinpost', 'peers', 'ratio'],
    line('deliver, connections kept: readable', '/s', (f) => f.deliver?.readablePerSecond, ratio?.deliver),
    line('  accepted', '/s', (f) => f.deliver?.acceptedPerSecond),
    line(
      '  with one copy (ratio: two against one)',
      '/s',
      (f) => f.deliverOneCopy?.readablePerSecond,
      ratio?.twoCopies,
    ),
    line(
      'deliver, one connection each: readable',
      '/s',
      (f) => f.deliverPerConnection?.readablePerSecond,
      ratio?.deliverPerConnection,
    ),
    line('  accepted', '/s', (f) => f.deliverPerConnection?.acceptedPerSecond),
    line('imap mix: commands', '/s', (f) => f.imap?.commandsPerSecond, ratio?.imap),
    line('idle imap session', 'KiB', (f) => f.idleMemory?.totalKibPerSession, ratio?.idleMemory),
    ...roles(ours),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n')
}

function roles(ours: Figures | null): string[][] {
  const perRole = Object.entries(ours?.idleMemory?.kibPerSession ?? {})
  return perRole.map(([role, kib]) => [`  on the ${role}`, 'KiB', number(kib), '', ''])
}

function number(value: number | undefined): string {
  if (value === undefined) return '-'
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1)
}
