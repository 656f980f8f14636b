/** `twinpost account move`, `account move-cancel`, `account moves`: accounts that go to another shard while they are used. */
import { errorCode } from '#lib/errors/coded-error.ts'
import { type MoveOrder, type MoveProgress, MoveReport } from '#lib/frames/move.ts'
import { FrameType } from '#lib/frames/shard-protocol.ts'
import { actorName, addressWord, carryOut, granted, mustRun, wordsOf } from '../administered.ts'
import { withDirectory, withProvisioning } from '../administration.ts'
import { primaryOf } from '../array-status.ts'
import { type CommandContext, CommandFailure, Exit } from '../context.ts'
import { replicasOf } from '../members.ts'
import { arrayShards } from '../replica-orders.ts'
import { withShards } from '../shard-link.ts'
import { askReplicas } from '../shard-reports.ts'
import { bytesText, table } from '../table.ts'

const ANSWER_MS = 5_000

export async function accountMove(context: CommandContext): Promise<Exit> {
  const { options, layout, say, print } = context
  const [word] = wordsOf(context, 'account move', 'ADDRESS')
  const address = addressWord(context, word)
  await mustRun(context)
  const target = options.to
  const shards = await arrayShards(context)
  if (target === null || !shards.includes(target)) {
    throw new CommandFailure(say('moveNeedsTarget', { shards: shards.join(', ') }), Exit.usage)
  }
  const timeoutMs = options.timeoutS * 1_000
  try {
    const result = granted(
      context,
      address,
      await withProvisioning(layout, actorName(), (client) => client.moveAccount(address, target, { timeoutMs })),
    )
    if (!result.changed) {
      print(say('moveThere', { address, shard: target }))
      return Exit.done
    }
    const moved = (await movesOf(context, shards)).find(({ account }) => account === result.account?.id)
    print(say('moveDone', { address, shard: target, ms: waited(moved) }))
    return Exit.done
  } catch (error) {
    if (errorCode(error) !== 'PROVISION_TIMEOUT') throw error
    print(say('moveGoesOn', { address, shard: target }))
    return Exit.failed
  }
}

export async function accountMoveCancel(context: CommandContext): Promise<Exit> {
  const { say, print } = context
  const [word] = wordsOf(context, 'account move-cancel', 'ADDRESS')
  const address = addressWord(context, word)
  const { changed, account } = await carryOut(context, { kind: 'account.move-cancel', address })
  print(say(changed ? 'moveCancelled' : 'moveNone', { address, shard: account?.home ?? '' }))
  return changed ? Exit.done : Exit.failed
}

/** Those that are under way, and the last ones that are over, as the shards that they left tell it. */
export async function accountMoves(context: CommandContext): Promise<Exit> {
  const { options, layout, say, print } = context
  wordsOf(context, 'account moves')
  const shards = await arrayShards(context)
  const moves = await movesOf(context, shards)
  if (options.output === 'json') {
    print(JSON.stringify(moves, null, 2))
    return Exit.done
  }
  if (moves.length === 0) {
    print(say('movesNone'))
    return Exit.done
  }
  const addresses = await withDirectory(layout, async (directory) => {
    const names = new Map<string, string>()
    for (const { account } of moves) names.set(account, (await directory.account(account))?.address ?? account)
    return names
  })
  print(
    table([
      [
        say('headAccount'),
        say('headMove'),
        say('headPhase'),
        say('headLetters'),
        say('headCopied'),
        say('headFreeze'),
        '',
      ],
      ...moves.map((move) => [
        addresses.get(move.account) ?? move.account,
        `${move.source} > ${move.target}`,
        move.phase,
        `${move.copiedMessages}`,
        bytesText(move.copiedBytes),
        waited(move),
        move.reason,
      ]),
    ]),
  )
  return Exit.done
}

function waited(move: MoveProgress | undefined): string {
  const ms = move?.freezeMs ?? null
  return ms === null ? '-' : `${ms} ms`
}

/** The newest first. A shard without a primary tells nothing. */
async function movesOf({ layout }: CommandContext, shards: readonly string[]): Promise<MoveProgress[]> {
  const payload = Buffer.from(JSON.stringify({ kind: 'list', account: null } satisfies MoveOrder))
  const lists = await withShards(layout, (link) =>
    Promise.all(
      shards.map(async (shard) => {
        const { reports } = await askReplicas(link, replicasOf([shard]))
        const primary = primaryOf(reports)
        if (!primary) return []
        const answer = await link.ask({ shard, member: primary.member }, FrameType.moveOrder, [payload], ANSWER_MS)
        return MoveReport.parse(JSON.parse(answer.toString('utf8'))).moves
      }),
    ),
  )
  return lists.flat().toSorted((a, b) => b.startedMs - a.startedMs)
}
