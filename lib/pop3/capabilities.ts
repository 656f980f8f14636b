/**
 * What CAPA answers (RFC 2449 section 6). Only what is true is told: nothing is removed because it is old (EXPIRE NEVER), and LOGIN-DELAY
 * is left out where there is none.
 */
const ALWAYS = [
  'TOP',
  'UIDL',
  'RESP-CODES',
  'AUTH-RESP-CODE',
  'PIPELINING',
  'EXPIRE NEVER',
  'LANG',
  'UTF8 USER',
] as const

export const MECHANISMS = ['PLAIN', 'LOGIN'] as const
export type Mechanism = (typeof MECHANISMS)[number]

export interface AuthorizationFacts {
  /** A password may be sent now. */
  readonly loginAllowed: boolean
  readonly startTls: boolean
  /** Of SASL, the best first. */
  readonly mechanisms: readonly string[]
}

interface ServerFacts {
  readonly implementation: string
  /** 0: none. */
  readonly loginDelaySeconds: number
}

/** In AUTHORIZATION. */
export function capabilitiesBeforeLogin(facts: AuthorizationFacts, server: ServerFacts): string[] {
  const lines = always(server)
  if (facts.loginAllowed) lines.push('USER', `SASL ${facts.mechanisms.join(' ')}`) // RFC 5034 section 3
  if (facts.startTls) lines.push('STLS') // RFC 2595 section 4
  lines.push(`IMPLEMENTATION ${server.implementation}`)
  return lines
}

/** In TRANSACTION: what RFC 2449 section 6 wants announced in both states stays; STLS is no longer permitted (RFC 2595 section 4). */
export function capabilitiesAfterLogin(server: ServerFacts): string[] {
  return [...always(server), 'USER', `SASL ${MECHANISMS.join(' ')}`, `IMPLEMENTATION ${server.implementation}`]
}

function always({ loginDelaySeconds }: ServerFacts): string[] {
  return loginDelaySeconds === 0 ? [...ALWAYS] : [...ALWAYS, `LOGIN-DELAY ${loginDelaySeconds}`]
}
