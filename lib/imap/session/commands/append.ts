/**
 * APPEND (RFC 9051 section 6.3.12) of one letter or several (RFC 3502), with APPENDUID (RFC 4315 section 3); REPLACE and UID REPLACE
 * (RFC 8508), which put a letter into the place of another. A letter may be made of parts (RFC 4469).
 */
import { type Flags, NO_FLAGS } from '#lib/mail/flags.ts'
import type { Appended, NewLetter } from '../../store.ts'
import type { Literal } from '../../syntax/command-reader.ts'
import { dateTimeArgument } from '../../syntax/dates.ts'
import { flagList } from '../../syntax/flags.ts'
import { mailboxArgument } from '../../syntax/mailbox-name.ts'
import { formatSequence, SequenceSet } from '../../syntax/sequence-set.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Tokens } from '../../syntax/tokens.ts'
import { appendBody } from '../append-body.ts'
import { type CatenatePart, catenated } from '../catenate.ts'
import type { Addressing, Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { bad, no, type Outcome, ok } from '../outcome.ts'

const NO_MAILBOX = no('TRYCREATE', 'No such mailbox')

export const append: Command = {
  state: 'any',
  expunges: true,
  refuseEarly(args, { account }) {
    args.space()
    return account.find(mailboxArgument(args)) === null ? NO_MAILBOX : null
  },
  prepare(args) {
    args.space()
    const mailbox = mailboxArgument(args)
    const given: GivenLetter[] = []
    do {
      args.space()
      given.push(letterArgument(args))
    } while (!args.atEnd())
    args.end()
    return async (session) => {
      const { account } = session
      const letters = await checkedLetters(session, mailbox, given)
      if (!Array.isArray(letters)) return letters
      return appended(session, await account.appendAll(mailbox, letters))
    }
  },
}

export const replace = replacing('sequence')
export const uidReplace = replacing('uid')

function replacing(by: Addressing): Command {
  return {
    state: 'selected',
    // The old message is gone when this is answered (RFC 8508 section 3.5), and told by its number as it was before.
    expunges: true,
    refuseEarly(args, { account }) {
      args.space()
      oneMessage(args)
      args.space()
      return account.find(mailboxArgument(args)) === null ? NO_MAILBOX : null
    },
    prepare(args) {
      args.space()
      const set = oneMessage(args)
      args.space()
      const mailbox = mailboxArgument(args)
      args.space()
      const given = letterArgument(args)
      args.end()
      return async (session) => {
        const selected = session.mailbox
        const [uid] = selected.uids(selected.resolve(set, by))
        if (selected.readOnly) return no('READ-ONLY', 'Mailbox is open read-only')
        if (uid === undefined) return no('NONEXISTENT', 'No such message')
        const letters = await checkedLetters(session, mailbox, [given])
        if (!Array.isArray(letters)) return letters
        const [letter] = letters
        const result = letter === undefined ? null : await selected.store.replace(uid, { mailbox, ...letter })
        if (result === null) return no('EXPUNGEISSUED', 'The message no longer exists')
        // RFC 8508 section 4: before the EXPUNGE, so that the client knows what came in its place.
        const { text, code } = appended(session, result)
        session.out.untagged(`OK [${code}] Replacement message ready`)
        return { ...ok(text), expunged: true }
      }
    },
  }
}

/** A letter as it stands in the command. */
interface GivenLetter {
  readonly flags: Flags
  readonly internalDateMs: number | null
  readonly content: Literal | readonly CatenatePart[]
}

/** seq-number or uniqueid: REPLACE takes no set (RFC 8508 section 5). */
function oneMessage(args: Tokens): SequenceSet {
  const text = args.sequenceText()
  if (!/^(?:\d+|\*)$/.test(text)) throw syntaxError('REPLACE takes one message')
  return SequenceSet.of(text)
}

/** [flag-list SP] [date-time SP] (literal / utf8-literal / "CATENATE" SP parts). */
function letterArgument(args: Tokens): GivenLetter {
  let flags: Flags = NO_FLAGS
  if (args.peek() === '(') {
    flags = flagList(args)
    args.space()
  }
  let internalDateMs: number | null = null
  if (args.peek() === '"') {
    internalDateMs = dateTimeArgument(args)
    args.space()
  }
  return { flags, internalDateMs, content: catenateParts(args) ?? utf8Literal(args) ?? args.literal() }
}

/** "CATENATE" SP "(" part *(SP part) ")" (RFC 4469 section 5), or null. */
function catenateParts(args: Tokens): CatenatePart[] | null {
  if (!args.tryWord('CATENATE')) return null
  args.space()
  return args.list((): CatenatePart => {
    const kind = args.word()
    args.space()
    if (kind === 'TEXT') return { kind: 'text', literal: args.literal() }
    if (kind === 'URL') return { kind: 'url', url: args.astring() }
    throw syntaxError(`Unknown part ${kind}`)
  })
}

/** "UTF8" SP "(" literal8 ")", once UTF8=ACCEPT is on (RFC 6855 section 4). Letters are kept as they come, so it says nothing new. */
function utf8Literal(args: Tokens): Literal | null {
  if (!args.tryWord('UTF8')) return null
  if (!args.utf8) throw syntaxError('UTF8 needs ENABLE UTF8=ACCEPT')
  args.space()
  args.char('(')
  const literal = args.literal()
  args.char(')')
  return literal
}

/** The letters as they may be stored, or why one may not. */
async function checkedLetters(
  session: SessionContext,
  mailbox: string,
  given: readonly GivenLetter[],
): Promise<NewLetter[] | Outcome> {
  const { account, host } = session
  if (account.find(mailbox) === null) return NO_MAILBOX
  const letters: NewLetter[] = []
  for (const { flags, internalDateMs, content } of given) {
    const parts: readonly CatenatePart[] = 'pieces' in content ? [{ kind: 'text', literal: content }] : content
    const pieces = await catenated(session, parts)
    if (!Array.isArray(pieces)) return pieces
    // RFC 3502 section 6.3.11: an empty literal gives the APPEND up.
    if (pieces.every((piece) => piece.length === 0)) return no('CANNOT', 'Message is empty')
    const body = await appendBody(pieces, () => host.pause())
    if (body === null) {
      // RFC 3516 section 4.4: literal8 may hold NUL, but only a server that keeps such letters can take it.
      const binary = parts.some((part) => part.kind === 'text' && part.literal.binary)
      return binary ? no('UNKNOWN-CTE', 'Message has a NUL') : bad('NUL in a literal')
    }
    letters.push({ flags, internalDateMs, body })
  }
  return letters
}

function appended(session: SessionContext, { uidValidity, uids }: Appended): Outcome {
  session.warnOfQuota()
  return ok('Done', `APPENDUID ${uidValidity} ${formatSequence(uids)}`)
}
