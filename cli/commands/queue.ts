/** `twinpost queue ...`: what has not left yet, why, and what an administrator can do about it. */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type QueuedLetterReport, QueueFilter, QueueOrder, QueueReport } from '#lib/frames/queue.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { primaryOf } from '../array-status.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { replicasOf } from '../members.ts'
import { durationWords, whyWords } from '../queue-words.ts'
import { arrayShards } from '../replica-orders.ts'
import { type ShardLink, withShards } from '../shard-link.ts'
import { askReplicas } from '../shard-reports.ts'
import { bytesText, table } from '../table.ts'

const ANSWER_MS = 30_000
const PAGE_ROWS = 200

interface ShardLetter extends QueuedLetterReport {
  readonly shard: string
}

export async function queueList(context: CommandContext): Promise<Exit> {
  const { options, say, print } = context
  const { filter, shards } = await wanted(context, 'queue list', false)
  const { letters, more } = await lettersOf(context, shards, filter, options.lines)
  if (options.output === 'json') {
    print(JSON.stringify(letters, null, 2))
    return Exit.done
  }
  if (letters.length === 0) {
    print(say('queueEmpty'))
    return Exit.done
  }
  const nowMs = nodeClock.nowMs()
  print(
    table([
      [say('headLetter'), say('headFrom'), say('headTo'), say('headAge'), say('headWords')],
      ...letters.flatMap((letter) =>
        letter.recipients.map((recipient) => [
          `${letter.shard}:${letter.entry}`,
          letter.from === '' ? '<>' : letter.from,
          recipient.address,
          durationWords(say, nowMs - letter.addedMs),
          whyWords(say, recipient, nowMs),
        ]),
      ),
    ]),
  )
  if (more) print(say('queueMore', { count: letters.length }))
  return Exit.done
}

export async function queueShow(context: CommandContext): Promise<Exit> {
  const { options, say, print, words } = context
  const { filter, shards } = await wanted(context, 'queue show', true)
  const { letters } = await lettersOf(context, shards, filter, 1)
  const [letter] = letters
  if (letter === undefined) throw new CommandFailure(say('queueUnknown', { name: words[0] ?? '' }))
  if (options.output === 'json') {
    print(JSON.stringify(letter, null, 2))
    return Exit.done
  }
  const nowMs = nodeClock.nowMs()
  print(
    say('queueLetter', {
      name: `${letter.shard}:${letter.entry}`,
      from: letter.from === '' ? '<>' : letter.from,
      size: bytesText(letter.sizeBytes),
      age: durationWords(say, nowMs - letter.addedMs),
      left: durationWords(say, letter.expiresMs - nowMs),
      trace: letter.traceId,
    }),
  )
  for (const recipient of letter.recipients) {
    print(`  ${recipient.address}: ${whyWords(say, recipient, nowMs)}`)
  }
  return Exit.done
}

export const queueHold = (context: CommandContext) => change(context, 'hold')
export const queueRelease = (context: CommandContext) => change(context, 'release')
export const queueRetry = (context: CommandContext) => change(context, 'retry')
export const queueDrop = (context: CommandContext) => change(context, 'drop')

async function change(context: CommandContext, kind: 'hold' | 'release' | 'retry' | 'drop'): Promise<Exit> {
  const { options, layout, say, print } = context
  const { filter, shards } = await wanted(context, `queue ${kind}`, false)
  if (Object.keys(filter).length === 0) {
    const what = 'SHARD:LETTER, --to, --from, --state'
    throw new CommandFailure(say('missingArgument', { command: `queue ${kind}`, what }), Exit.usage)
  }
  let changed = 0
  await withShards(layout, async (link) => {
    for (const shard of shards) changed += (await ask(context, link, shard, { kind, filter })).changed
  })
  if (options.output === 'json') print(JSON.stringify({ changed }))
  else print(say('queueChanged', { count: changed }))
  return Exit.done
}

/** @param named A letter must be named. */
async function wanted(
  context: CommandContext,
  command: string,
  named: boolean,
): Promise<{ readonly filter: QueueFilter; readonly shards: readonly string[] }> {
  const { words, options, say } = context
  const shards = await arrayShards(context)
  const [name, extra] = words
  if (extra !== undefined) throw new CommandFailure(say('tooManyArguments', { command, argument: extra }), Exit.usage)
  if (named && name === undefined) {
    throw new CommandFailure(say('missingArgument', { command, what: 'SHARD:LETTER' }), Exit.usage)
  }
  const [, shard, entry] = /^(.+):(\d{1,15})$/.exec(name ?? '') ?? []
  if (name !== undefined && (shard === undefined || !shards.includes(shard))) {
    throw new CommandFailure(say('queueUnknown', { name }), Exit.usage)
  }
  const said = {
    ...(entry === undefined ? {} : { entry: Number(entry) }),
    ...(options.to === null ? {} : { to: options.to }),
    ...(options.from === null ? {} : { from: options.from }),
    ...(options.state === null ? {} : { state: options.state }),
  }
  const filter = QueueFilter.safeParse(said)
  if (!filter.success) throw new CommandFailure(say('queueState', { state: options.state ?? '' }), Exit.usage)
  return { filter: filter.data, shards: shard === undefined ? shards : [shard] }
}

async function lettersOf(
  context: CommandContext,
  shards: readonly string[],
  filter: QueueFilter,
  rowsMax: number,
): Promise<{ readonly letters: ShardLetter[]; readonly more: boolean }> {
  const letters: ShardLetter[] = []
  let more = false
  await withShards(context.layout, async (link) => {
    for (const shard of shards) {
      for (let after: number | null = 0; after !== null; ) {
        if (letters.length >= rowsMax) {
          more = true
          break
        }
        const rows = Math.min(PAGE_ROWS, rowsMax - letters.length)
        const report = await ask(context, link, shard, { kind: 'list', filter, after, rowsMax: rows })
        letters.push(...report.letters.map((letter) => ({ ...letter, shard })))
        after = report.next
      }
    }
  })
  return { letters, more }
}

/** @throws {CommandFailure} if the shard has no primary, or refuses */
async function ask({ say }: CommandContext, link: ShardLink, shard: string, order: QueueOrder): Promise<QueueReport> {
  const { reports } = await askReplicas(link, replicasOf([shard]))
  const primary = primaryOf(reports)
  if (!primary) throw new CommandFailure(`${shard}: ${say('noPrimary')}`)
  const payload = Buffer.from(JSON.stringify(QueueOrder.parse(order)))
  try {
    const answer = await link.ask({ shard, member: primary.member }, FrameType.queueOrder, [payload], ANSWER_MS)
    return QueueReport.parse(JSON.parse(answer.toString('utf8')))
  } catch (error) {
    throw new CommandFailure(say('shardSilent', { shard, member: primary.member, problem: errorMessage(error) }))
  }
}
