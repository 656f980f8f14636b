/** Whom a letter calls its author, as it says itself: nothing here is proved. */
import { parseAddressList } from '#lib/mime/mod.ts'

const FROM = /^from[ \t]*:/i

/**
 * @param fields Of the header, with their line ends, latin1.
 * @returns In lower case; empty unless there is exactly one From field with exactly one address.
 */
export function authorOf(fields: readonly string[]): string {
  const [field, ...others] = fields.filter((one) => FROM.test(one))
  if (field === undefined || others.length > 0) return ''
  const [author, ...more] = parseAddressList(field.slice(field.indexOf(':') + 1))
  if (author === undefined || more.length > 0 || author.mailbox === null || author.host === null) return ''
  return `${author.mailbox}@${author.host}`.toLowerCase()
}
