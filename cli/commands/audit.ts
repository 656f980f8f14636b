/** `twinpost audit`: who did what to what, and who logged in. */
import { type AuditEvent, type AuditPlace, readAudit } from '#lib/events/audit.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import { mustRun, wordsOf } from '../administered.ts'
import { withEvents } from '../administration.ts'
import { auditRow, sinceMs } from '../audit-words.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { table } from '../table.ts'

const FOLLOW_MS = 1_000
const DEFAULT_SINCE = '1d'

export async function audit(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print } = context
  wordsOf(context, 'audit')
  const text = options.since ?? DEFAULT_SINCE
  const since = sinceMs(text, nodeClock.nowMs())
  if (since === null) throw new CommandFailure(say('sinceInvalid', { text }), Exit.usage)
  await mustRun(context)
  const wanted = (event: AuditEvent) =>
    options.match === null || JSON.stringify(event).toLowerCase().includes(options.match.toLowerCase())
  const head = [
    say('headTime'),
    say('headWho'),
    say('headAction'),
    say('headTarget'),
    say('headOutcome'),
    say('headReason'),
  ]
  const show = (events: readonly AuditEvent[], withHead: boolean) => {
    if (options.output === 'json') for (const event of events) print(JSON.stringify(event))
    else if (withHead || events.length > 0) print(table([...(withHead ? [head] : []), ...events.map(auditRow)]))
  }
  await withEvents(layout, async (link) => {
    let place: AuditPlace = { sinceMs: since }
    let first = true
    do {
      const found: AuditEvent[] = []
      place = await readAudit(link, place, (event) => {
        if (!wanted(event)) return
        found.push(event)
        if (first && found.length > options.lines) found.shift()
      })
      show(found, first)
      first = false
      if (options.follow) await sleep(nodeClock, FOLLOW_MS)
    } while (options.follow)
  })
  return Exit.done
}
