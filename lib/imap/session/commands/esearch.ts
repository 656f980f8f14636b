/**
 * ESEARCH: one search through many mailboxes (MULTISEARCH, RFC 7377). Each mailbox with a match answers for itself, by UID; one that is not
 * there, or goes away meanwhile, has none.
 */
import { CodedError } from '#lib/errors/coded-error.ts'
import type { MailboxInfo } from '../../store.ts'
import { type MailboxSource, mailboxSources } from '../../syntax/mailbox-source.ts'
import {
  asksForModSeq,
  isFuzzy,
  relevancyAlone,
  type SearchKey,
  searchProgram,
  someKey,
} from '../../syntax/search-keys.ts'
import { RETURN_ALL, type SearchReturn, searchReturn } from '../../syntax/search-return.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import type { Command } from '../command.ts'
import type { SessionContext } from '../context.ts'
import { isNamed } from '../mailbox-filter.ts'
import { bad, no, type Outcome, ok } from '../outcome.ts'
import { find } from '../search/find.ts'
import { asksForAnswer, concerned, numbersOf, writeExtended } from '../search/result.ts'
import { SelectedMailbox } from '../selected-mailbox.ts'

export const esearch: Command = {
  state: 'any',
  expunges: false,
  prepare(args) {
    args.space()
    let sources: readonly MailboxSource[] = [{ kind: 'selected' }]
    if (args.tryWord('IN')) {
      args.space()
      sources = mailboxSources(args)
      args.space()
    }
    const returns = searchReturn(args) ?? RETURN_ALL
    const { key, charsetNamed } = searchProgram(args)
    if (returns.relevancy && !isFuzzy(key)) throw relevancyAlone()
    const selectedOnly = sources.every(({ kind }) => kind === 'selected')
    if (!selectedOnly) checkForMany(key, returns)
    return (session) => {
      if (charsetNamed && session.dialect.has('UTF8=ACCEPT')) {
        return bad('CHARSET must not be named once UTF8=ACCEPT is enabled') // RFC 6855 section 3
      }
      if (selectedOnly && session.selected === null) return bad('Select a mailbox first')
      return searchAll(session, sources, key, returns)
    }
  },
}

/** RFC 7377 section 2.1: numbers and results of the selected mailbox mean nothing in others. */
function checkForMany(key: SearchKey, returns: SearchReturn): void {
  const ofOne = (part: SearchKey) => part.kind === 'sequence' || (part.kind === 'uid' && part.set.saved)
  if (someKey(key, ofOne)) throw syntaxError('Message numbers and $ are for a search in the selected mailbox')
  if (returns.save) throw syntaxError('SAVE is for a search in the selected mailbox')
}

async function searchAll(
  session: SessionContext,
  sources: readonly MailboxSource[],
  key: SearchKey,
  returns: SearchReturn,
): Promise<Outcome> {
  if (asksForModSeq(key)) session.useCondstore()
  // Results in several mailboxes are not followed (RFC 5267 section 4.3.1).
  if (returns.update) session.out.untagged(`NO [NOUPDATE "${session.tag}"] Use UID SEARCH to follow a result`)
  for (const info of chosen(session, sources)) {
    if (!(await searchOne(session, info, key, returns))) return no('UNAVAILABLE', 'Session is ending')
  }
  return ok()
}

/** @returns False if the session ends. */
async function searchOne(
  session: SessionContext,
  info: MailboxInfo,
  key: SearchKey,
  returns: SearchReturn,
): Promise<boolean> {
  const { selected } = session
  const isSelected = selected?.store.info.id === info.id
  const mailbox = isSelected ? selected : await openOrNull(session, info)
  if (mailbox === null) return true
  try {
    const found = await find(session, mailbox, key, returns.relevancy)
    if (found === null) return false
    const part = concerned(found, returns)
    if (returns.save) mailbox.save(part.indexes)
    if (found.indexes.length === 0 || !asksForAnswer(returns)) return true
    const from = `(TAG "${session.tag}" MAILBOX ${session.dialect.name(info.name)} UIDVALIDITY ${info.uidValidity})`
    const numbers = numbersOf(found.indexes, 'uid', mailbox)
    await writeExtended(session, from, 'uid', returns, { numbers, part })
    return true
  } finally {
    if (!isSelected) mailbox.close()
  }
}

async function openOrNull(session: SessionContext, info: MailboxInfo): Promise<SelectedMailbox | null> {
  try {
    return await SelectedMailbox.open(session.account, info, true, session, () => {})
  } catch (error) {
    if (error instanceof CodedError) return null
    throw error
  }
}

/** Each mailbox once, in the order of the list. */
function chosen({ account, selected }: SessionContext, sources: readonly MailboxSource[]): MailboxInfo[] {
  const names = new Set<string>()
  const all = account.mailboxes()
  for (const source of sources) {
    for (const info of all)
      if (source.kind === 'selected' ? info.id === selected?.store.info.id : isNamed(info, source)) names.add(info.name)
  }
  return all.filter(({ name }) => names.has(name))
}
