/** STORE and UID STORE (RFC 9051 sections 6.4.6 and 6.4.9). */
import { changeFlags, type FlagChange, type Flags, sameFlags } from '#lib/mail/flags.ts'
import type { Uid } from '#lib/mail/types.ts'
import { STORE_BATCH } from '../../limits.ts'
import type { MessageFacts } from '../../store.ts'
import { storeFlags } from '../../syntax/flags.ts'
import { SequenceSet } from '../../syntax/sequence-set.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import type { Addressing, Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { no, ok } from '../outcome.ts'
import type { SelectedMailbox } from '../selected-mailbox.ts'

interface FlagStore {
  readonly change: FlagChange
  readonly silent: boolean
  readonly flags: Flags
}

export const store = storing('sequence')
export const uidStore = storing('uid')

function storing(by: Addressing): Command {
  return {
    state: 'selected',
    expunges: by === 'uid',
    prepare(args) {
      args.space()
      const set = SequenceSet.parse(args)
      args.space()
      const wish = storeArgument(args)
      args.end()
      return async (session) => {
        const { mailbox } = session
        if (mailbox.readOnly) return no('READ-ONLY', 'Mailbox is open read-only')
        const uids = mailbox.uids(mailbox.resolve(set, by))
        let gone = 0
        for (let at = 0; at < uids.length && !session.conversation.ending; at += STORE_BATCH) {
          gone += await storeBatch(session, uids.slice(at, at + STORE_BATCH), wish, by)
        }
        // RFC 2180 section 4.2: without FETCH responses the client could not tell which messages were left out.
        if (gone > 0 && (wish.silent || gone === uids.length)) {
          return no('EXPUNGEISSUED', 'Some of the messages no longer exist')
        }
        return ok()
      }
    },
  }
}

/** @returns The number of messages that are expunged already. */
async function storeBatch(
  session: SessionContext,
  uids: readonly Uid[],
  wish: FlagStore,
  by: Addressing,
): Promise<number> {
  const { mailbox, out } = session
  const before = wish.silent ? expectations(mailbox, uids, wish) : null
  const { facts } = await mailbox.store.store({ uids, change: wish.change, flags: wish.flags })
  const expunged = mailbox.expunged(uids)
  mailbox.tellKeywords(out)
  for (const message of facts) {
    if (expunged.has(message.uid)) continue
    if (before !== null) {
      // Another session changed flags that this client does not know of: then it is told by sync() in spite of .SILENT.
      const expected = before.get(message.uid)
      if (expected !== undefined && sameFlags(expected, message.flags)) mailbox.told(message)
      continue
    }
    const uid = by === 'uid' ? `UID ${message.uid} ` : ''
    out.untagged(`${mailbox.sequenceOf(message.uid)} FETCH (${uid}FLAGS (${mailbox.flagText(message)}))`)
    mailbox.told(message)
    if (out.congested) await out.ready()
  }
  return expunged.size
}

/** The flags that the client will believe in after a .SILENT; messages whose flags it does not know are left out. */
function expectations(mailbox: SelectedMailbox, uids: readonly Uid[], { change, flags }: FlagStore): Map<Uid, Flags> {
  const expected = new Map<Uid, Flags>()
  const before: MessageFacts[] = mailbox.store.facts(uids)
  for (const facts of before) {
    // After a replacement the client knows all flags, whatever it knew before.
    if (change === 'replace' || mailbox.knows(facts)) expected.set(facts.uid, changeFlags(facts.flags, change, flags))
  }
  return expected
}

/** ["+" / "-"] "FLAGS" [".SILENT"] SP flags. */
function storeArgument(args: Tokens): FlagStore {
  const change = args.tryChar('+') ? 'add' : args.tryChar('-') ? 'remove' : 'replace'
  const name = args.name()
  if (name !== 'FLAGS' && name !== 'FLAGS.SILENT') throw syntaxError(`Unknown item ${name}`)
  args.space()
  return { change, silent: name === 'FLAGS.SILENT', flags: storeFlags(args) }
}
