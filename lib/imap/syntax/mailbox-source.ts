/** Which mailboxes a command is about: `filter-mailboxes` of RFC 5465 section 6, with `subtree-one` of RFC 7377 section 2.2. */
import { mailboxArgument } from './mailbox-name.ts'
import { syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

export type MailboxSource =
  | { readonly kind: 'selected' | 'inboxes' | 'personal' | 'subscribed' }
  /** The mailboxes themselves; with all that is below them; with what is just below them. */
  | { readonly kind: 'mailboxes' | 'subtree' | 'subtree-one'; readonly names: readonly string[] }

/** filter-mailboxes *(SP filter-mailboxes), up to ")". */
export function mailboxSources(args: Tokens): MailboxSource[] {
  return args.list(() => mailboxSource(args, args.word()))
}

/** filter-mailboxes. @param word Its first word, read already */
export function mailboxSource(args: Tokens, word: string): MailboxSource {
  const kind = word.toLowerCase()
  switch (kind) {
    case 'selected':
    case 'inboxes':
    case 'personal':
    case 'subscribed':
      return { kind }
    case 'mailboxes':
    case 'subtree':
    case 'subtree-one':
      args.space()
      return { kind, names: args.peek() === '(' ? args.list(() => mailboxArgument(args)) : [mailboxArgument(args)] }
    default:
      throw syntaxError(`Unknown mailbox filter ${word}`)
  }
}
