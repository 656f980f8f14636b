/**
 * From error catalogues to docs/reference/errors.md. A catalogue is `export const X_ERRORS = { ... } as const satisfies
 * Record<string, ErrorSpec>` beside the one class whose codes are its keys; `findCatalogues` sees to it that no class of
 * CodedError is without one.
 */
import type { ErrorSpec } from '#lib/errors/coded-error.ts'
import { isTest, type Problem } from '../tidy/layers.ts'
import { lineOf, type SourceText } from '../tidy/source.ts'

/** Where a catalogue is, before it is loaded. */
export interface CataloguePlace {
  readonly path: string
  /** Name of the constant, as LOG_ERRORS. */
  readonly constant: string
  /** The class whose `code` is one of its keys. */
  readonly className: string
}

export interface Catalogue extends CataloguePlace {
  readonly codes: Readonly<Record<string, ErrorSpec>>
}

/** One reply that the edge can give, as the table in its code has it. */
export interface SmtpReply {
  readonly code: number
  readonly text: string
}

const CLASS = /^export class (\w+) extends CodedError(?:<\s*([^>]*?)\s*>)?/gm
const CONSTANT = /^export const (\w+_ERRORS) = \{/gm
const ALIAS = /^export type (\w+) = keyof typeof (\w+_ERRORS)$/gm
const KEYS = /^keyof typeof (\w+_ERRORS)$/

/** Catalogues of production code in the order of their paths, and what has none or belongs to nobody. */
export function findCatalogues(sources: readonly SourceText[]): { places: CataloguePlace[]; problems: Problem[] } {
  const places: CataloguePlace[] = []
  const problems: Problem[] = []
  for (const { path, text } of sources) {
    if (isTest(path) || path.startsWith('sim/') || path.startsWith('tools/')) continue
    const aliases = new Map([...text.matchAll(ALIAS)].map(([, name = '', constant = '']) => [name, constant]))
    const constants = new Set([...text.matchAll(CONSTANT)].map(([, name = '']) => name))
    for (const match of text.matchAll(CLASS)) {
      const [, className = '', parameter = ''] = match
      const constant = KEYS.exec(parameter)?.[1] ?? aliases.get(parameter)
      if (constant !== undefined && constants.delete(constant)) places.push({ path, constant, className })
      else {
        const message = `Codes of ${className} are in no catalogue of this file: see lib/errors/coded-error.ts`
        problems.push({ path, line: lineOf(text, match.index), message })
      }
    }
    for (const constant of constants) {
      problems.push({ path, line: 1, message: `Catalogue ${constant} belongs to no class that extends CodedError` })
    }
  }
  return { places, problems }
}

/** Codes that two catalogues have: a caller could not tell them apart. */
export function checkCodes(catalogues: readonly Catalogue[]): Problem[] {
  const owners = new Map<string, string>()
  return catalogues.flatMap(({ path, constant, codes }) =>
    Object.keys(codes).flatMap((code) => {
      const owner = owners.get(code)
      owners.set(code, constant)
      return owner === undefined ? [] : [{ path, line: 1, message: `Code ${code} is in ${owner} already` }]
    }),
  )
}

/** The page as Markdown. Same catalogues, same bytes. */
export function errorReference(catalogues: readonly Catalogue[], replies: readonly SmtpReply[]): string {
  const lines = [
    '# Errors',
    '',
    '<!-- Generated from the error catalogues in the code by `make generate`. Do not edit. -->',
    '',
    'Failures carry a code; programs branch on it and never on the text. In logs it is `err.code`. "SMTP" is the reply that a mail',
    'transaction ends with, "IMAP" the response code of a tagged NO (RFC 5530), where the failure reaches a client. "Retry": whether the',
    'same request may succeed later without anybody changing it. What SMTP and LMTP clients can be told is at the end of this page.',
  ]
  for (const { path, className, codes } of catalogues) {
    lines.push(
      '',
      `## ${className}`,
      '',
      `\`${path}\``,
      '',
      '| code | SMTP | IMAP | retry | meaning |',
      '|---|---|---|---|---|',
    )
    for (const [code, { smtp, imap, retry, meaning }] of Object.entries(codes)) {
      const cells = [`\`${code}\``, smtp ?? '', imap ?? '', retry ? 'yes' : 'no', meaning.replaceAll('|', '\\|')]
      lines.push(`| ${cells.join(' | ')} |`)
    }
  }
  lines.push('', '## Replies of the edge', '')
  lines.push(
    'Every refusal of our own that an SMTP or LMTP client can read (`services/edge/smtp/replies.ts`); after 4xx it tries again.',
  )
  lines.push('', '| reply | enhanced | text |', '|---|---|---|')
  const sorted = [...replies].sort((a, b) => a.code - b.code || (a.text < b.text ? -1 : 1))
  for (const { code, text } of sorted) {
    const [enhanced = '', ...words] = text.split(' ')
    lines.push(`| ${code} | ${enhanced} | ${words.join(' ')} |`)
  }
  return `${lines.join('\n')}\n`
}
