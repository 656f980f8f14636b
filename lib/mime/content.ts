/** The Content fields of one part's header (RFC 2045, 1864, 2183, 2557, 3282). */
import type { Budget } from './budget.ts'
import type { Headers } from './headers.ts'
import { withoutComments } from './lexer.ts'
import { parseParameters } from './parameters.ts'
import type { Disposition, LeafPart, Parameter } from './types.ts'

/** What a part says about its content. */
export type Content = Omit<LeafPart, 'kind' | 'headerStart' | 'headerEnd' | 'bodyEnd' | 'lines'>

type MediaType = Pick<Content, 'type' | 'subtype' | 'params'>

const CHARSET_US_ASCII: readonly Parameter[] = [
  { name: 'charset', value: 'us-ascii', wireName: 'charset', wireValue: 'us-ascii' },
]
/** RFC 2045 section 5.2: for a field that is absent or cannot be read. */
export const TEXT_PLAIN: MediaType = { type: 'text', subtype: 'plain', params: CHARSET_US_ASCII }
/** RFC 2046 section 5.1.5: the default inside multipart/digest. */
const MESSAGE_RFC822: MediaType = { type: 'message', subtype: 'rfc822', params: [] }
/** For what is not opened. */
export const OPAQUE: MediaType = { type: 'application', subtype: 'octet-stream', params: [] }

/**
 * @param inDigest Whether the part stands in a multipart/digest, directly.
 * @param budget Where parameters and languages are counted.
 */
export function readContent(headers: Headers, inDigest: boolean, budget: Budget): Content {
  const contentType = headers.first('content-type')
  return {
    ...((contentType === null ? null : parseContentType(contentType, budget)) ??
      (inDigest && contentType === null ? MESSAGE_RFC822 : TEXT_PLAIN)),
    id: headers.first('content-id') || null,
    description: headers.first('content-description') || null,
    encoding: token(headers.first('content-transfer-encoding')) || '7bit',
    md5: headers.first('content-md5') || null,
    disposition: parseDisposition(headers.first('content-disposition'), budget),
    language: parseLanguage(headers.first('content-language'), budget),
    location: headers.first('content-location') || null,
  }
}

const TYPE = /^\s*([^\s/;=()<>@,"[\]?:\\]+)\s*\/\s*([^\s/;=()<>@,"[\]?:\\]+)/

/** Null if there is no type and subtype to read. */
export function parseContentType(value: string, budget: Budget): MediaType | null {
  const [before, rest] = split(value)
  const match = TYPE.exec(before)
  if (match === null) return null
  const [all, type = '', subtype = ''] = match
  // what stands between the subtype and the first semicolon is a parameter whose semicolon was forgotten
  return {
    type: type.toLowerCase(),
    subtype: subtype.toLowerCase(),
    params: parseParameters(`${before.slice(all.length)}${rest}`, budget),
  }
}

function parseDisposition(value: string | null, budget: Budget): Disposition | null {
  if (value === null || value === '') return null
  const [before, rest] = split(value)
  // RFC 2183 section 2.8: what is not known is an attachment
  return { type: token(before) || 'attachment', params: parseParameters(rest, budget) }
}

function parseLanguage(value: string | null, budget: Budget): string[] {
  if (value === null) return []
  const languages: string[] = []
  for (const tag of withoutComments(value).split(',', 100)) {
    const trimmed = tag.trim()
    if (trimmed !== '' && budget.take()) languages.push(trimmed)
  }
  return languages
}

/** The type, without comments, and the parameters from their semicolon on. */
function split(value: string): [string, string] {
  const semicolon = value.indexOf(';')
  if (semicolon < 0) return [withoutComments(value), '']
  return [withoutComments(value.slice(0, semicolon)), value.slice(semicolon)]
}

/** The first word of a value, in lower case. */
function token(value: string | null): string {
  if (value === null) return ''
  return /^\s*([^\s;,"]+)/.exec(withoutComments(value))?.[1]?.toLowerCase() ?? ''
}
