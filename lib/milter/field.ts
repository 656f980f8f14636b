/**
 * Header fields of a letter as the milter protocol carries them: the name, and a value whose folds are LF where the letter has
 * CRLF. With `leadingSpace` agreed the value begins right behind the colon and a field survives the way byte for byte.
 */

export interface Field {
  readonly name: string
  readonly value: string
}

/** @param field One field with its folds, in latin1, with or without its last CRLF; without a colon all of it is the name. */
export function splitField(field: string, leadingSpace: boolean): Field {
  const text = field.endsWith('\r\n') ? field.slice(0, -2) : field
  const colon = text.indexOf(':')
  if (colon === -1) return { name: text, value: '' }
  const value = text.slice(colon + 1).replaceAll('\r\n', '\n')
  return { name: text.slice(0, colon), value: !leadingSpace && value.startsWith(' ') ? value.slice(1) : value }
}

/** The field with its last CRLF. A bare CR or LF never comes out of it: each ends a line, and what follows is folded. */
export function joinField({ name, value }: Field, leadingSpace: boolean): string {
  const folded = value
    .replace(/(?:\r\n|\r|\n)$/, '')
    .replace(/(?:\r\n|\r|\n)([ \t]?)/g, (_, fold: string) => `\r\n${fold === '' ? ' ' : fold}`)
  return `${name.replace(/[\r\n]/g, '')}:${leadingSpace ? '' : ' '}${folded}\r\n`
}
