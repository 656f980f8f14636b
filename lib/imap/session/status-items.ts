/**
 * The items of STATUS as a table: an extension adds a line. RFC 3501 section 6.3.10, RFC 7162 section 3.1.7, RFC 7889, RFC 8438 (SIZE),
 * RFC 8474 (MAILBOXID), RFC 9208 (DELETED, DELETED-STORAGE).
 */
import type { ImapAccount, MailboxInfo, MailboxStatus } from '../store.ts'
import { syntaxError } from '../syntax/syntax-error.ts'
import type { Tokens } from '../syntax/tokens.ts'
import { storageUnits } from './quota.ts'

type Value = (status: MailboxStatus, info: MailboxInfo, account: ImapAccount) => number | string

const ITEMS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['APPENDLIMIT', (_status, _info, account) => account.appendLimitBytes],
  ['DELETED', (status) => status.deleted],
  ['DELETED-STORAGE', (_status, info, account) => storageUnits(account.deletedBytes(info.id))],
  ['HIGHESTMODSEQ', (status) => status.highestModSeq],
  ['MAILBOXID', (_status, info) => `(${info.id})`],
  ['MESSAGES', (status) => status.messages],
  ['RECENT', (status) => status.recent],
  ['SIZE', (status) => status.sizeBytes],
  ['UIDNEXT', (status) => status.uidNext],
  ['UIDVALIDITY', (status) => status.uidValidity],
  ['UNSEEN', (status) => status.unseen],
])

export interface StatusItem {
  readonly name: string
  readonly value: Value
}

/** "(" item *(SP item) ")". */
export function statusItems(args: Tokens): readonly StatusItem[] {
  return args.list(() => {
    const name = args.word()
    const value = ITEMS.get(name)
    if (value === undefined) throw syntaxError(`Unknown status item ${name}`)
    return { name, value }
  })
}

/** What stands in parentheses in the STATUS response. */
export function statusText(account: ImapAccount, info: MailboxInfo, items: readonly StatusItem[]): string {
  const status = account.status(info.id)
  return items.map(({ name, value }) => `${name} ${value(status, info, account)}`).join(' ')
}

/** Asking for HIGHESTMODSEQ shows that the client knows of it (RFC 7162 section 3.1). */
export function asksForModSeq(items: readonly StatusItem[]): boolean {
  return items.some(({ name }) => name === 'HIGHESTMODSEQ')
}
