/**
 * A move: the shards carry it out between themselves, and go on if this process ends. What is left to do here is to begin it, and
 * to write the new home into the directory when the shard says that it is decided. A repeat finds the move under way or over by its name,
 * which is the command's.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import type { EventPayload } from '#lib/events/events.ts'
import type { MoveProgress } from '#lib/frames/move.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import { type ShardName, toShardName } from '#lib/mail/types.ts'
import { sleep } from '#lib/ports/clock.ts'
import { requireAccount } from './account-change.ts'
import type { Applied, Context } from './context.ts'
import { CHANGE_TRIES_MAX, MOVE_LOOK_MS, MOVE_WAIT_MS, MOVES_FOLLOWED_MAX } from './limits.ts'
import { Refusal } from './refusal.ts'

type Command<Kind extends string> = Extract<EventPayload<'provision.command'>['command'], { kind: Kind }>

export const PROVISION_MOVE_ERRORS = {
  MOVE_UNDER_WAY: { retry: true, meaning: 'An account is being moved; the command looks again.' },
} as const satisfies Record<string, ErrorSpec>

export class MoveError extends CodedError<keyof typeof PROVISION_MOVE_ERRORS> {
  override readonly name = 'MoveError'
}

/** @throws {Refusal} no-shard, move-failed, in-transition; {MoveError} MOVE_UNDER_WAY: come again */
export async function moveAccount(context: Context, command: Command<'account.move'>): Promise<Applied> {
  const { accounts, shards } = context.ports
  const account = await requireAccount(context, command.address)
  const target = toShardName(command.target)
  if (!(await accounts.shards()).some(({ name, active }) => name === target && active)) {
    throw new Refusal('no-shard', `${target} is not a shard that takes accounts`)
  }
  // Also of a repeat that wrote it and could not say so.
  if (account.home === target) return { changed: false, account: await sayHome(context, account, account.home) }
  let home = account.home
  const untilMs = context.clock.monotonicMs() + MOVE_WAIT_MS
  for (let followed = 0; ; ) {
    const reply = await shards.move(home, { kind: 'start', account: account.id, target, move: context.commandId })
    switch (reply.kind) {
      case 'elsewhere':
        if (reply.home === target) return await moved(context, account, target)
        if (++followed > MOVES_FOLLOWED_MAX)
          throw new Refusal('move-failed', `${account.address} is nowhere to be found`)
        home = reply.home
        break
      case 'refused':
        throw new Refusal('move-failed', reply.message)
      case 'none':
        throw new Refusal('move-failed', `${home} does not know of the move`)
      default: {
        const { phase, reason } = reply.progress
        // What is left then concerns the source alone.
        if (phase === 'done' || phase === 'cleaning') return await moved(context, account, target)
        if (phase === 'failed' || phase === 'cancelled') throw new Refusal('move-failed', reason)
        if (context.clock.monotonicMs() >= untilMs) throw new MoveError('MOVE_UNDER_WAY', words(reply.progress))
        await sleep(context.clock, MOVE_LOOK_MS)
      }
    }
  }
}

/** @returns `changed`: there was a move to cancel */
export async function cancelMove(context: Context, command: Command<'account.move-cancel'>): Promise<Applied> {
  const account = await requireAccount(context, command.address)
  const reply = await context.ports.shards.move(account.home, { kind: 'cancel', account: account.id })
  if (reply.kind === 'refused') throw new Refusal('move-failed', reply.message)
  const over = reply.kind !== 'under-way' || reply.progress.phase === 'done'
  return { changed: !over, account }
}

function words({ phase, copiedMessages, messages, reason }: MoveProgress): string {
  return `${phase}, ${copiedMessages} of ${messages} letters${reason === '' ? '' : `: ${reason}`}`
}

/** The directory is told what is true already. */
async function moved(context: Context, account: StoredAccount, home: ShardName): Promise<Applied> {
  return { changed: true, account: await sayHome(context, account, home), before: account }
}

async function sayHome(context: Context, known: StoredAccount, home: ShardName): Promise<StoredAccount> {
  const { accounts, events } = context.ports
  let account: StoredAccount | null = known
  for (let tries = 0; account !== null && account.home !== home; tries++) {
    if (tries >= CHANGE_TRIES_MAX)
      throw new Error(`Cannot write the home of ${known.address}: others change it all the time`)
    const generation: number = account.generation + 1
    if (await accounts.setHome(account, home, generation)) account = { ...account, home, generation }
    else account = await accounts.account(known.id)
  }
  const there = account ?? known
  await events.publish(
    'route.changed',
    {
      account: there.id,
      addresses: [there.address, ...there.aliases],
      home,
      generation: there.generation,
    },
    `${context.commandId}-route`,
  )
  return there
}
