/** What a server announces in its answer to EHLO (RFC 5321 section 4.1.1.1). */

export interface Capabilities {
  readonly pipelining: boolean
  readonly eightBit: boolean
  readonly chunking: boolean
  readonly smtpUtf8: boolean
  readonly startTls: boolean
  readonly dsn: boolean
  /** RFC 4954: mechanisms of AUTH, in upper case. */
  readonly auth: readonly string[]
  /** RFC 1870; null: not announced, or no limit said. */
  readonly sizeMax: number | null
  readonly size: boolean
  /** RFC 9422: recipients of one transaction; null: nothing is said. */
  readonly recipientsMax: number | null
}

/** After HELO, and before anything was said. */
export const NO_CAPABILITIES: Capabilities = {
  pipelining: false,
  eightBit: false,
  chunking: false,
  smtpUtf8: false,
  startTls: false,
  dsn: false,
  auth: [],
  sizeMax: null,
  size: false,
  recipientsMax: null,
}

/** @param lines Of the reply to EHLO; the first is the greeting. */
export function capabilitiesOf(lines: readonly string[]): Capabilities {
  const words = new Map<string, string>()
  const auth: string[] = []
  const limits: string[] = []
  for (const line of lines.slice(1)) {
    const [keyword = '', value = '', ...others] = line.trim().split(/\s+/)
    words.set(keyword.toUpperCase(), value)
    if (keyword.toUpperCase() === 'LIMITS') limits.push(value, ...others)
    if (keyword.toUpperCase() === 'AUTH') auth.push(...[value, ...others].map((name) => name.toUpperCase()))
  }
  const size = words.get('SIZE')
  const sizeMax = size !== undefined && /^\d{1,15}$/.test(size) && Number(size) > 0 ? Number(size) : null
  return {
    pipelining: words.has('PIPELINING'),
    eightBit: words.has('8BITMIME'),
    chunking: words.has('CHUNKING'),
    smtpUtf8: words.has('SMTPUTF8'),
    startTls: words.has('STARTTLS'),
    dsn: words.has('DSN'),
    auth,
    sizeMax,
    size: size !== undefined,
    recipientsMax: recipientsMaxOf(limits),
  }
}

/** A limit that is no number, or nothing at all, is none (RFC 9422 section 4). */
function recipientsMaxOf(limits: readonly string[]): number | null {
  const value = limits.find((limit) => /^RCPTMAX=[1-9]\d{0,5}$/i.test(limit))?.split('=')[1]
  return value === undefined ? null : Number(value)
}
