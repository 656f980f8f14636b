/**
 * SEARCH and UID SEARCH (RFC 3501 section 6.4.4), with the result options of ESEARCH (RFC 4731), SEARCHRES (RFC 5182), CONTEXT
 * (RFC 5267) and PARTIAL (RFC 9394).
 */
import { asksForModSeq, isFuzzy, relevancyAlone, type SearchProgram, searchProgram } from '../../syntax/search-keys.ts'
import { RETURN_ALL, type SearchReturn, searchReturn } from '../../syntax/search-return.ts'
import { ImapSyntaxError } from '../../syntax/syntax-error.ts'
import type { Addressing } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { bad, no, type Outcome, ok } from '../outcome.ts'
import { find } from '../search/find.ts'
import { asksForAnswer, concerned, numbersOf, writeExtended, writePlain } from '../search/result.ts'
import { SearchUpdates } from '../search/updates.ts'
import { onMessages } from './shapes.ts'

export const [search, uidSearch] = onMessages((args, by) => {
  const returns = searchReturn(args)
  try {
    const program = searchProgram(args)
    if (returns?.relevancy === true && !isFuzzy(program.key)) throw relevancyAlone()
    return (session) => runSearch(session, by, returns, program)
  } catch (error) {
    if (!(error instanceof ImapSyntaxError) || error.code !== 'IMAP_REFUSED') throw error
    return (session) => saving(session, returns, () => Promise.reject(error))
  }
})

async function runSearch(
  session: SessionContext,
  by: Addressing,
  given: SearchReturn | null,
  { key, charsetNamed }: SearchProgram,
): Promise<Outcome> {
  const { mailbox, dialect } = session
  if (charsetNamed && dialect.has('UTF8=ACCEPT')) return bad('CHARSET must not be named once UTF8=ACCEPT is enabled') // RFC 6855 section 3
  const returns = given ?? (dialect.rev2 ? RETURN_ALL : null) // RFC 9051 section 6.4.4
  const updates = returns?.update === true ? SearchUpdates.of(session) : null
  if (updates?.has(session.tag)) return bad('Another result is followed under this tag') // RFC 5267 section 4.3
  if (asksForModSeq(key)) session.useCondstore()
  const found = await saving(session, returns, () => find(session, mailbox, key, returns?.relevancy))
  if (found === null) return no('UNAVAILABLE', 'Session is ending')
  const numbers = numbersOf(found.indexes, by, mailbox)
  if (returns === null) {
    await writePlain(session, 'SEARCH', numbers, found.modSeqs)
    return ok()
  }
  const part = concerned(found, returns)
  if (returns.save) mailbox.save(part.indexes)
  if (asksForAnswer(returns)) {
    const from = `(TAG "${session.tag}")`
    await writeExtended(session, from, by, returns, { numbers, part })
  }
  const uids = numbersOf(found.indexes, 'uid', mailbox)
  updates?.follow({ tag: session.tag, by, key, found: { kind: 'search', uids } })
  return ok()
}

/** RFC 5182 section 2.1: after a SEARCH with SAVE that was answered NO nothing is saved. */
async function saving<T>(
  { mailbox }: SessionContext,
  returns: SearchReturn | null,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (returns?.save === true) mailbox.save([])
    throw error
  }
}
