/** COPY (RFC 9051 section 6.4.7), MOVE (RFC 6851) and their UID forms, with COPYUID (RFC 4315 section 3). */
import type { CopyResult } from '../../store.ts'
import { mailboxArgument } from '../../syntax/mailbox-name.ts'
import { formatSequence, SequenceSet } from '../../syntax/sequence-set.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import type { Addressing, Command } from '../command.ts'
import { no, ok } from '../outcome.ts'

/** Another session expunged all of them; what was left is copied (RFC 2180 section 4.4.2). */
const GONE = no('EXPUNGEISSUED', 'The messages no longer exist')

export const copy = copying('sequence')
export const uidCopy = copying('uid')
export const move = moving('sequence')
export const uidMove = moving('uid')

function copying(by: Addressing): Command {
  return {
    state: 'selected',
    expunges: true,
    prepare(args) {
      const { set, target } = copyArguments(args)
      return async (session) => {
        const { account, mailbox } = session
        const uids = mailbox.uids(mailbox.resolve(set, by))
        if (account.find(target) === null) return no('TRYCREATE', 'No such mailbox')
        if (uids.length === 0) return ok('Nothing to copy')
        const code = copyUid(await mailbox.store.copy(uids, target))
        session.warnOfQuota()
        return code === null ? GONE : ok('Done', code)
      }
    },
  }
}

function moving(by: Addressing): Command {
  return {
    state: 'selected',
    expunges: true,
    prepare(args) {
      const { set, target } = copyArguments(args)
      return async ({ account, mailbox, out }) => {
        if (mailbox.readOnly) return no('READ-ONLY', 'Mailbox is open read-only')
        const uids = mailbox.uids(mailbox.resolve(set, by))
        if (account.find(target) === null) return no('TRYCREATE', 'No such mailbox')
        if (uids.length === 0) return ok('Nothing to move')
        const code = copyUid(await mailbox.store.move(uids, target))
        // RFC 6851 section 4.3: before the EXPUNGE responses, so that the client knows where they went.
        if (code === null) return GONE
        out.untagged(`OK [${code}] Moved`)
        return { ...ok(), expunged: true }
      }
    },
  }
}

function copyArguments(args: Tokens): { set: SequenceSet; target: string } {
  args.space()
  const set = SequenceSet.parse(args)
  args.space()
  const target = mailboxArgument(args)
  args.end()
  return { set, target }
}

function copyUid({ uidValidity, source, target }: CopyResult): string | null {
  if (source.length === 0) return null
  return `COPYUID ${uidValidity} ${formatSequence(source)} ${formatSequence(target)}`
}
