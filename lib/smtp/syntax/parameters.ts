/** The parameters behind the paths of MAIL and RCPT (RFC 5321 section 4.1.2, Mail-parameters). */
import type { NotifyOccasion } from '#lib/mail/notify.ts'
import { ENVID_CHARACTERS_MAX, ORCPT_CHARACTERS_MAX } from '../limits.ts'

/** Which parameters are known beyond SIZE, BODY and AUTH: those that EHLO announces. */
export interface ParameterRules {
  readonly smtpUtf8: boolean
  readonly dsn: boolean
}

/** RFC 3461 section 4.3 and 4.4. */
export interface MailDsn {
  readonly ret: 'FULL' | 'HDRS' | null
  /** As xtext. */
  readonly envid: string | null
}

export type { NotifyOccasion }

/** RFC 3461 section 4.1 and 4.2. */
export interface RecipientDsn {
  /** Empty: NEVER. Null: not said. */
  readonly notify: readonly NotifyOccasion[] | null
  /** Address type and address as xtext: `rfc822;anna@example.test`. */
  readonly orcpt: string | null
}

export interface MailParameters {
  /** RFC 1870 SIZE; 0 if not given. */
  readonly sizeBytes: number
  readonly body: '7BIT' | '8BITMIME'
  readonly smtpUtf8: boolean
  readonly dsn: MailDsn
}

export type ParameterFault = 'syntax' | 'unknown'

const NO_MAIL_DSN: MailDsn = { ret: null, envid: null }
const NO_MAIL_PARAMETERS: MailParameters = { sizeBytes: 0, body: '7BIT', smtpUtf8: false, dsn: NO_MAIL_DSN }
const NO_RECIPIENT_DSN: RecipientDsn = { notify: null, orcpt: null }

const KEYWORD = /^[A-Za-z0-9][A-Za-z0-9-]*$/
const VALUE = /^[!-<>-~\u0080-\uffff]+$/
/** RFC 3461 section 4: printable ASCII but `+` and `=`, or `+` and two hexadecimal digits. */
const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/
/** RFC 3461 section 4.2, and RFC 6533 section 3 for what lies beyond ASCII. */
const ORCPT = /^[A-Za-z0-9-]+;(?:[!-*,-<>-~\u0080-\uffff]|\+[0-9A-F]{2}|\\x\{[0-9A-F]{2,6}\})+$/
const SIZE = /^\d{1,20}$/

/** Parameters by upper-case keyword; null: malformed, or one twice. */
function split(text: string): Map<string, string | null> | null {
  const found = new Map<string, string | null>()
  for (const word of text.split(' ')) {
    if (word === '') continue
    const equals = word.indexOf('=')
    const keyword = (equals === -1 ? word : word.slice(0, equals)).toUpperCase()
    const value = equals === -1 ? null : word.slice(equals + 1)
    if (!KEYWORD.test(keyword) || (value !== null && !VALUE.test(value)) || found.has(keyword)) return null
    found.set(keyword, value)
  }
  return found
}

/** @param text What follows the path: empty, or a space and parameters. */
export function parseMailParameters(text: string, rules: ParameterRules): MailParameters | ParameterFault {
  if (text === '') return NO_MAIL_PARAMETERS
  const given = text.startsWith(' ') ? split(text) : null
  if (given === null) return 'syntax'
  let parameters = NO_MAIL_PARAMETERS
  for (const [keyword, value] of given) {
    const known = mailParameter(parameters, keyword, value, rules)
    if (typeof known === 'string') return known
    parameters = known
  }
  return parameters
}

function mailParameter(
  before: MailParameters,
  keyword: string,
  value: string | null,
  rules: ParameterRules,
): MailParameters | ParameterFault {
  const upper = value?.toUpperCase() ?? null
  switch (keyword) {
    case 'SIZE':
      if (value === null || !SIZE.test(value)) return 'syntax'
      return { ...before, sizeBytes: Math.min(Number(value), Number.MAX_SAFE_INTEGER) }
    case 'BODY':
      if (upper === 'BINARYMIME') return 'unknown' // RFC 3030 section 3: not announced, so not known
      return upper === '7BIT' || upper === '8BITMIME' ? { ...before, body: upper } : 'syntax'
    case 'AUTH': // RFC 4954 section 5: allowed from everybody, and from nobody believed
      return value !== null && (value === '<>' || XTEXT.test(value)) ? before : 'syntax'
    case 'SMTPUTF8':
      if (!rules.smtpUtf8) return 'unknown'
      return value === null ? { ...before, smtpUtf8: true } : 'syntax' // RFC 6531 section 3.4
    case 'RET':
      if (!rules.dsn) return 'unknown'
      return upper === 'FULL' || upper === 'HDRS' ? { ...before, dsn: { ...before.dsn, ret: upper } } : 'syntax'
    case 'ENVID':
      if (!rules.dsn) return 'unknown'
      if (value === null || value.length > ENVID_CHARACTERS_MAX || !XTEXT.test(value)) return 'syntax'
      return { ...before, dsn: { ...before.dsn, envid: value } }
    default:
      return 'unknown'
  }
}

/** As `parseMailParameters`, for RCPT: without DSN it has none. */
export function parseRecipientParameters(text: string, rules: ParameterRules): RecipientDsn | ParameterFault {
  if (text === '') return NO_RECIPIENT_DSN
  const given = text.startsWith(' ') ? split(text) : null
  if (given === null) return 'syntax'
  let dsn = NO_RECIPIENT_DSN
  for (const [keyword, value] of given) {
    if (!rules.dsn || (keyword !== 'NOTIFY' && keyword !== 'ORCPT')) return 'unknown'
    if (keyword === 'NOTIFY') {
      const notify = value === null ? null : parseNotify(value)
      if (notify === null) return 'syntax'
      dsn = { ...dsn, notify }
    } else {
      if (value === null || value.length > ORCPT_CHARACTERS_MAX || !ORCPT.test(value)) return 'syntax'
      dsn = { ...dsn, orcpt: value }
    }
  }
  return dsn
}

/** RFC 3461 section 4.1: NEVER stands alone. */
function parseNotify(value: string): NotifyOccasion[] | null {
  const words = value.toUpperCase().split(',')
  if (words.length === 1 && words[0] === 'NEVER') return []
  const occasions = new Set<NotifyOccasion>()
  for (const word of words) {
    if (word !== 'SUCCESS' && word !== 'FAILURE' && word !== 'DELAY') return null
    occasions.add(word)
  }
  return [...occasions]
}
