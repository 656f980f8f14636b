/** What a session offers after login. Nothing stands here that is not complete. */
export const SESSION_CAPABILITIES: readonly string[] = [
  'IMAP4rev1', // RFC 3501
  'LITERAL+', // RFC 7888
  'ID', // RFC 2971
  'ENABLE', // RFC 5161
  'IDLE', // RFC 2177
  'NAMESPACE', // RFC 2342
  'CHILDREN', // RFC 3348
  'UNSELECT', // RFC 3691
  'UIDPLUS', // RFC 4315
  'MOVE', // RFC 6851
  'SPECIAL-USE', // RFC 6154
  'CREATE-SPECIAL-USE', // RFC 6154 section 3
]

/** The capability line of a session, for the edge's tagged OK. */
export function sessionCapabilities(): string {
  return SESSION_CAPABILITIES.join(' ')
}

/** Extensions that ENABLE switches on (RFC 5161 section 3.1); none yet. */
export const ENABLEABLE: ReadonlySet<string> = new Set()
