/** Which mailboxes a filter of RFC 5465 section 6 means. */
import { isForeign } from '../sharing/names.ts'
import type { MailboxInfo } from '../store.ts'
import { SEPARATOR } from '../syntax/mailbox-name.ts'
import type { MailboxSource } from '../syntax/mailbox-source.ts'

/** @param source Other than `selected`, which is no matter of names. */
export function isNamed(
  { name, subscribed }: Pick<MailboxInfo, 'name' | 'subscribed'>,
  source: MailboxSource,
): boolean {
  switch (source.kind) {
    case 'selected':
      return false
    case 'inboxes':
      return name === 'INBOX'
    case 'personal':
      return !isForeign(name)
    case 'subscribed':
      return subscribed
    case 'mailboxes':
      return source.names.some((wanted) => wanted.normalize('NFC') === name)
    case 'subtree':
      return source.names.some((root) => name === root || name.startsWith(root + SEPARATOR))
    case 'subtree-one':
      return source.names.some(
        (root) =>
          name === root || (name.startsWith(root + SEPARATOR) && !name.slice(root.length + 1).includes(SEPARATOR)),
      )
    default:
      return source satisfies never
  }
}
