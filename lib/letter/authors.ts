/** Whose letter it is: the addresses in From, as whoever signs, judges or refuses it must all see them. */
import { parseAddressList } from '#lib/mime/mod.ts'

/** Addresses that are looked at; real letters have one. */
const AUTHORS_MAX = 20

export interface Author {
  /** As it stands there. */
  readonly local: string
  readonly domain: string
}

/** @param fields As `splitLetter` gives them, latin1. @returns The addresses of every field From, in order */
export function authorsOf(fields: readonly string[]): readonly Author[] {
  return fields
    .filter((field) => /^from[ \t]*:/i.test(field))
    .map((field) => field.slice(field.indexOf(':') + 1).replaceAll('\r\n', ''))
    .flatMap((value) => parseAddressList(Buffer.from(value, 'latin1').toString('utf8')))
    .flatMap(({ mailbox, host }) => (host === null || host === '' ? [] : [{ local: mailbox ?? '', domain: host }]))
    .slice(0, AUTHORS_MAX)
}
