/**
 * MTA-STS (RFC 8461): what a domain says about TLS to its mail servers, out of a TXT record and a text behind HTTPS. Pure; who asks and keeps is
 * `services/sender/sts-policies.ts`.
 */

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none'
  readonly maxAgeS: number
  /** Names in lower case, some beginning with `*.`; none with mode `none`. */
  readonly mx: readonly string[]
}

/** RFC 8461 section 3.2: a year and some hours. */
const MAX_AGE_S = 31_557_600
const MX_MAX = 100
const PATTERN = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

/** @param texts Of all TXT records at `_mta-sts`. @returns The id, or null: the domain has no policy (section 3.1) */
export function stsPolicyId(texts: readonly string[]): string | null {
  const [record, ...others] = texts.filter((text) => /^v=STSv1[ \t]*(?:;|$)/.test(text))
  if (record === undefined || others.length > 0) return null
  return /;[ \t]*id=([A-Za-z0-9]{1,32})[ \t]*(?:;|$)/.exec(record)?.[1] ?? null
}

/** @returns The policy, or in words why it is none (section 3.2). Keys that are not known are left out; the first of a kind counts. */
export function parseStsPolicy(text: string): StsPolicy | string {
  const found = new Map<string, string>()
  const mx: string[] = []
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') continue
    const [, key, value] = /^[ \t]*([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (key === undefined || value === undefined) return 'a line is no key with a value'
    if (key === 'mx') mx.push(value.toLowerCase().replace(/\.$/, ''))
    else if (!found.has(key)) found.set(key, value)
  }
  if (found.get('version') !== 'STSv1') return 'it does not say version: STSv1'
  const mode = (['enforce', 'testing', 'none'] as const).find((one) => one === found.get('mode'))
  if (mode === undefined) return 'it has no mode that is known'
  const maxAge = found.get('max_age') ?? ''
  if (!/^\d{1,10}$/.test(maxAge)) return 'max_age is no number'
  if (mode !== 'none' && mx.length === 0) return 'it names no mx'
  if (mx.length > MX_MAX || !mx.every((pattern) => PATTERN.test(pattern))) return 'an mx is no name'
  return { mode, maxAgeS: Math.min(Number(maxAge), MAX_AGE_S), mx }
}

/** Section 4.1: a `*` stands for one label, the leftmost. */
export function isInPolicy({ mx }: Pick<StsPolicy, 'mx'>, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return mx.some((pattern) =>
    pattern.startsWith('*.')
      ? name.slice(name.indexOf('.') + 1) === pattern.slice(2) && name.includes('.')
      : name === pattern,
  )
}
