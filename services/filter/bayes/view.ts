/** From a letter to what its signs are taken from. */
import { parseAddressList } from '#lib/mime/mod.ts'
import type { Letter } from '../letter/letter.ts'
import type { LetterView } from './tokens.ts'

const AUTHORS_MAX = 5

export function viewOf(letter: Letter): LetterView {
  const from = letter.fields.filter(({ name }) => name.toLowerCase() === 'from').map(({ value }) => value)
  const authors = from
    .flatMap((value) => parseAddressList(value))
    .flatMap(({ mailbox, host }) => (mailbox === null || host === null ? [] : [`${mailbox}@${host}`.toLowerCase()]))
  return { subject: letter.header('subject') ?? '', authors: authors.slice(0, AUTHORS_MAX), texts: letter.texts }
}
