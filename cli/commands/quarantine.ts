/** `twinpost quarantine ...`: letters that the filter keeps away from people, and what an administrator can do about them. */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type QuarantinedLetter, QuarantineFilter, QuarantineOrder, QuarantineReport } from '#lib/frames/quarantine.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { primaryOf } from '../array-status.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { replicasOf } from '../members.ts'
import { durationWords } from '../queue-words.ts'
import { arrayShards } from '../replica-orders.ts'
import { safeLetter, safeLine } from '../safe-letter.ts'
import { type ShardLink, withShards } from '../shard-link.ts'
import { askReplicas } from '../shard-reports.ts'
import { bytesText, table } from '../table.ts'

const ANSWER_MS = 30_000
const PAGE_ROWS = 200

interface ShardLetter extends QuarantinedLetter {
  readonly shard: string
}

export async function quarantineList(context: CommandContext): Promise<Exit> {
  const { options, say, print, layout } = context
  const { filter, shards } = await wanted(context, 'quarantine list', false)
  const letters: ShardLetter[] = []
  await withShards(layout, async (link) => {
    for (const shard of shards) letters.push(...(await lettersOf(context, link, shard, filter, options.lines + 1)))
  })
  letters.sort((a, b) => b.receivedMs - a.receivedMs)
  const shown = letters.slice(0, options.lines)
  if (options.output === 'json') {
    print(JSON.stringify(shown, null, 2))
    return Exit.done
  }
  if (shown.length === 0) {
    print(say('quarantineEmpty'))
    return Exit.done
  }
  const nowMs = nodeClock.nowMs()
  print(
    table([
      [say('headLetter'), say('headFrom'), say('headTo'), say('headAge'), say('headSubject'), say('headReason')],
      ...shown.map(({ shard, letter, from, to, receivedMs, subject, reasons }) => [
        `${shard}:${letter}`,
        from === '' ? '<>' : safeLine(from),
        safeLine(to),
        durationWords(say, nowMs - receivedMs),
        safeLine(subject).slice(0, 40),
        safeLine(reasons[0] ?? ''),
      ]),
    ]),
  )
  if (letters.length > shown.length) print(say('queueMore', { count: shown.length }))
  return Exit.done
}

/** The last letter that came and fits; null: there is none. */
export async function newestQuarantined(
  context: CommandContext,
  filter: QuarantineFilter,
): Promise<ShardLetter | null> {
  const shards = await arrayShards(context)
  const found = await withShards(context.layout, (link) =>
    Promise.all(shards.map((shard) => lettersOf(context, link, shard, filter, 1))),
  )
  return found.flat().toSorted((a, b) => b.receivedMs - a.receivedMs)[0] ?? null
}

export async function quarantineShow(context: CommandContext): Promise<Exit> {
  const { options, say, print } = context
  const { shard, letter } = await named(context, 'quarantine show')
  const { bytes } = await order(context, shard, { kind: 'read', letter })
  const { fields, text, links, attachments } = safeLetter(Buffer.from(bytes ?? '', 'base64'))
  if (options.output === 'json') {
    print(JSON.stringify({ fields, text, links, attachments }, null, 2))
    return Exit.done
  }
  for (const { name, value } of fields) print(`${name}: ${value}`)
  print('')
  print(text)
  for (const link of links) print(say('quarantineLink', { text: link.text, href: link.href }))
  for (const { name, type, bytes: size } of attachments) {
    print(say('quarantineAttachment', { name: name === '' ? say('none') : name, type, size: bytesText(size) }))
  }
  return Exit.done
}

export async function quarantineRelease(context: CommandContext): Promise<Exit> {
  const { shard, letter } = await named(context, 'quarantine release')
  return tell(context, await order(context, shard, { kind: 'release', letter }))
}

export async function quarantineDelete(context: CommandContext): Promise<Exit> {
  const { say, layout } = context
  const { filter, shards } = await wanted(context, 'quarantine delete', false)
  if (Object.keys(filter).length === 0) {
    const what = 'SHARD:LETTER, --to, --from'
    throw new CommandFailure(say('missingArgument', { command: 'quarantine delete', what }), Exit.usage)
  }
  let changed = 0
  await withShards(layout, async (link) => {
    for (const shard of shards) changed += (await ask(context, link, shard, { kind: 'delete', filter })).changed
  })
  return tell(context, { changed })
}

function tell({ options, say, print }: CommandContext, { changed }: Pick<QuarantineReport, 'changed'>): Exit {
  if (options.output === 'json') print(JSON.stringify({ changed }))
  else print(say('quarantineChanged', { count: changed }))
  return Exit.done
}

async function named(context: CommandContext, command: string): Promise<{ shard: string; letter: number }> {
  const { filter, shards } = await wanted(context, command, true)
  const [shard] = shards
  if (shard === undefined || filter.letter === undefined) {
    throw new CommandFailure(context.say('missingArgument', { command, what: 'SHARD:LETTER' }), Exit.usage)
  }
  return { shard, letter: filter.letter }
}

/** @param one A letter must be named. */
async function wanted(
  context: CommandContext,
  command: string,
  one: boolean,
): Promise<{ readonly filter: QuarantineFilter; readonly shards: readonly string[] }> {
  const { words, options, say } = context
  const shards = await arrayShards(context)
  const [name, extra] = words
  if (extra !== undefined) throw new CommandFailure(say('tooManyArguments', { command, argument: extra }), Exit.usage)
  if (one && name === undefined) {
    throw new CommandFailure(say('missingArgument', { command, what: 'SHARD:LETTER' }), Exit.usage)
  }
  const [, shard, letter] = /^(.+):([1-9]\d{0,9})$/.exec(name ?? '') ?? []
  if (name !== undefined && (shard === undefined || !shards.includes(shard))) {
    throw new CommandFailure(say('quarantineUnknown', { name }), Exit.usage)
  }
  const filter = QuarantineFilter.parse({
    ...(letter === undefined ? {} : { letter: Number(letter) }),
    ...(options.to === null ? {} : { to: options.to }),
    ...(options.from === null ? {} : { from: options.from }),
  })
  return { filter, shards: shard === undefined ? shards : [shard] }
}

async function lettersOf(
  context: CommandContext,
  link: ShardLink,
  shard: string,
  filter: QuarantineFilter,
  most: number,
): Promise<ShardLetter[]> {
  const letters: ShardLetter[] = []
  for (let before: number | null = null; letters.length < most; ) {
    const rowsMax = Math.min(PAGE_ROWS, most - letters.length)
    const report: QuarantineReport = await ask(context, link, shard, { kind: 'list', filter, before, rowsMax })
    letters.push(...report.letters.map((letter) => ({ ...letter, shard })))
    if (report.next === null) break
    before = report.next
  }
  return letters
}

function order(context: CommandContext, shard: string, wish: QuarantineOrder): Promise<QuarantineReport> {
  return withShards(context.layout, (link) => ask(context, link, shard, wish))
}

/** @throws {CommandFailure} if the shard has no primary, or refuses */
async function ask(
  { say }: CommandContext,
  link: ShardLink,
  shard: string,
  wish: QuarantineOrder,
): Promise<QuarantineReport> {
  const { reports } = await askReplicas(link, replicasOf([shard]))
  const primary = primaryOf(reports)
  if (!primary) throw new CommandFailure(`${shard}: ${say('noPrimary')}`)
  const payload = Buffer.from(JSON.stringify(QuarantineOrder.parse(wish)))
  try {
    const answer = await link.ask({ shard, member: primary.member }, FrameType.quarantineOrder, [payload], ANSWER_MS)
    return QuarantineReport.parse(JSON.parse(answer.toString('utf8')))
  } catch (error) {
    throw new CommandFailure(say('quarantineRefused', { shard, problem: errorMessage(error) }))
  }
}
