/** Shapes that many commands share. */
import { mailboxArgument } from '../../syntax/mailbox-name.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import type { Addressing, Command, Run } from '../command.ts'
import type { SessionContext } from '../context.ts'
import type { Outcome } from '../outcome.ts'

/** A command of every state without arguments. */
export function plain(run: Run): Command {
  return {
    state: 'any',
    expunges: true,
    prepare(args) {
      args.end()
      return run
    },
  }
}

/** A command of every state on the mailbox that it names. */
export function onMailbox(run: (session: SessionContext, name: string) => Outcome | Promise<Outcome>): Command {
  return {
    state: 'any',
    expunges: true,
    prepare(args) {
      args.space()
      const name = mailboxArgument(args)
      args.end()
      return (session) => run(session, name)
    },
  }
}

/**
 * A command about messages of the selected mailbox, by number and by UID. EXPUNGE may be told only with the second: numbers of the first
 * would mean other messages (RFC 9051 section 7.5.1).
 */
export function onMessages(
  prepare: (args: Tokens, by: Addressing) => Run,
): readonly [bySequence: Command, byUid: Command] {
  const command = (by: Addressing): Command => ({
    state: 'selected',
    expunges: by === 'uid',
    prepare(args) {
      args.space()
      return prepare(args, by)
    },
  })
  return [command('sequence'), command('uid')]
}
