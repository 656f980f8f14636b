/** STORE and UID STORE (RFC 9051 sections 6.4.6 and 6.4.9), conditional ones too (RFC 7162 section 3.1.3). */
import { changeFlags, type FlagChange, type Flags, sameFlags } from '#lib/mail/flags.ts'
import type { ModSeq, Uid } from '#lib/mail/types.ts'
import { STORE_BATCH } from '../../limits.ts'
import type { MessageFacts } from '../../store.ts'
import { storeModifiers } from '../../syntax/fetch-modifiers.ts'
import { storeFlags } from '../../syntax/flags.ts'
import { formatSequence, SequenceSet } from '../../syntax/sequence-set.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import type { Addressing } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { no, ok } from '../outcome.ts'
import type { SelectedMailbox } from '../selected-mailbox.ts'
import { onMessages } from './shapes.ts'

interface FlagStore {
  readonly change: FlagChange
  readonly silent: boolean
  readonly flags: Flags
  /** RFC 7162 section 3.1.3. */
  readonly unchangedSince: ModSeq | null
}

/** What became of some messages. */
interface Stored {
  /** Expunged already. */
  readonly gone: number
  /** Changed since UNCHANGEDSINCE, and left alone. */
  readonly modified: readonly Uid[]
}

export const [store, uidStore] = onMessages((args, by) => {
  const set = SequenceSet.parse(args)
  args.space()
  const wish = storeArgument(args)
  args.end()
  return async (session) => {
    const { mailbox } = session
    if (mailbox.readOnly) return no('READ-ONLY', 'Mailbox is open read-only')
    const uids = mailbox.uids(mailbox.resolve(set, by))
    if (wish.unchangedSince !== null) session.useCondstore()
    let gone = 0
    const modified: Uid[] = []
    for (let at = 0; at < uids.length && !session.conversation.ending; at += STORE_BATCH) {
      const stored = await storeBatch(session, uids.slice(at, at + STORE_BATCH), wish, by)
      gone += stored.gone
      modified.push(...stored.modified)
    }
    // RFC 2180 section 4.2: without FETCH responses the client could not tell which messages were left out.
    if (gone > 0 && (wish.silent || gone === uids.length)) {
      return no('EXPUNGEISSUED', 'Some of the messages no longer exist')
    }
    if (modified.length === 0) return ok()
    const failed = by === 'uid' ? modified : modified.map((uid) => mailbox.sequenceOf(uid))
    return ok('Conditional STORE failed for some messages', `MODIFIED ${formatSequence(failed)}`)
  }
})

async function storeBatch(
  session: SessionContext,
  uids: readonly Uid[],
  wish: FlagStore,
  by: Addressing,
): Promise<Stored> {
  const { mailbox, out } = session
  const { change, flags, silent, unchangedSince } = wish
  const before = silent ? expectations(mailbox, uids, wish) : null
  const request = { uids, change, flags, ...(unchangedSince === null ? {} : { unchangedSince }) }
  const { facts, modified } = await mailbox.store.store(request)
  const expunged = mailbox.expunged(uids)
  const failed = new Set(modified)
  mailbox.tellKeywords(out)
  for (const message of facts) {
    if (expunged.has(message.uid) || failed.has(message.uid)) continue
    // Another session changed flags that this client does not know of: then it is told by sync() in spite of .SILENT.
    const expected = before?.get(message.uid)
    const quiet = before !== null && expected !== undefined && sameFlags(expected, message.flags)
    if (before === null || quiet) {
      out.write(storeResponse(session, message, by, !quiet))
      mailbox.told(message)
    }
    if (out.congested) await out.ready()
  }
  return { gone: expunged.size, modified: modified.filter((uid) => !expunged.has(uid)) }
}

/** The FETCH response to a STORE, or nothing: a silent one tells the new MODSEQ alone, and that only to who knows of it (RFC 7162 section 3.1.3). */
function storeResponse(session: SessionContext, message: MessageFacts, by: Addressing, flags: boolean): string {
  const { mailbox, dialect } = session
  const items: string[] = []
  if (!dialect.uidOnly && (by === 'uid' || dialect.qresync)) items.push(`UID ${message.uid}`)
  if (flags) items.push(`FLAGS (${mailbox.flagText(message)})`)
  if (dialect.condstore) items.push(`MODSEQ (${message.modSeq})`)
  return flags || dialect.condstore ? `${mailbox.fetchHead(message.uid)}${items.join(' ')})\r\n` : ''
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

/** ["(" modifiers ")" SP] ["+" / "-"] "FLAGS" [".SILENT"] SP flags. */
function storeArgument(args: Tokens): FlagStore {
  const unchangedSince = storeModifiers(args)
  const change = args.tryChar('+') ? 'add' : args.tryChar('-') ? 'remove' : 'replace'
  const name = args.name()
  if (name !== 'FLAGS' && name !== 'FLAGS.SILENT') throw syntaxError(`Unknown item ${name}`)
  args.space()
  return { change, silent: name === 'FLAGS.SILENT', flags: storeFlags(args), unchangedSince }
}
