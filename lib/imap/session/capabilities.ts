/** What a session offers after login. Nothing stands here that is not complete. */
import type { ImapAccount } from '../store.ts'

export const SESSION_CAPABILITIES: readonly string[] = [
  'IMAP4rev1', // RFC 3501
  'IMAP4rev2', // RFC 9051, after ENABLE
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
  'CONDSTORE', // RFC 7162
  'QRESYNC', // RFC 7162
  'LIST-EXTENDED', // RFC 5258
  'LIST-STATUS', // RFC 5819
  'STATUS=SIZE', // RFC 8438
  'QUOTA', // RFC 9208
  'QUOTA=RES-STORAGE', // RFC 9208 section 5.1
  'MULTIAPPEND', // RFC 3502
  'REPLACE', // RFC 8508
  'OBJECTID', // RFC 8474
  'SAVEDATE', // RFC 8514
  'BINARY', // RFC 3516
  'CATENATE', // RFC 4469
  'METADATA', // RFC 5464
  'LIST-METADATA', // RFC 9590
  'PREVIEW', // RFC 8970
  'UTF8=ACCEPT', // RFC 6855
  'PARTIAL', // RFC 9394
  'UIDONLY', // RFC 9586
  'ESEARCH', // RFC 4731
  'SEARCHRES', // RFC 5182
  'WITHIN', // RFC 5032
  'SORT', // RFC 5256
  'SORT=DISPLAY', // RFC 5957
  'THREAD=ORDEREDSUBJECT', // RFC 5256
  'THREAD=REFERENCES', // RFC 5256
  'SEARCH=FUZZY', // RFC 6203
  'ESORT', // RFC 5267 section 3
  'CONTEXT=SEARCH', // RFC 5267 section 4
  'CONTEXT=SORT', // RFC 5267 section 4
  'MULTISEARCH', // RFC 7377
  'I18NLEVEL=1', // RFC 5255 section 4.3
  'INPROGRESS', // RFC 9585
  'NOTIFY', // RFC 5465
  'COMPRESS=DEFLATE', // RFC 4978
]

/** Where mailboxes are shared. */
const SHARING_CAPABILITIES: readonly string[] = [
  'ACL', // RFC 4314
  'RIGHTS=kxte', // RFC 4314 section 2.2
  'LIST-MYRIGHTS', // RFC 8440
]

/**
 * Annotation of an account (RFC 5464) that names capabilities to be left out, with spaces between them: the way out for a client
 * that misuses one. It counts from the next session on.
 */
const CAPABILITIES_OFF = '/private/vendor/twinpost/capabilities-off'

/** Without these nobody could speak with the server, or say that they want something else. */
const ALWAYS: ReadonlySet<string> = new Set(['IMAP4REV1', 'ENABLE', 'METADATA'])

/** Names in upper case that this account does not want. */
export function capabilitiesOff(account: Pick<ImapAccount, 'metadata'>): ReadonlySet<string> {
  const entry = account.metadata(null).find(({ name }) => name === CAPABILITIES_OFF)
  if (entry === undefined) return new Set()
  const names = Buffer.from(entry.value).toString('latin1').toUpperCase().split(/\s+/)
  return new Set(names).difference(ALWAYS)
}

/** The capability line of a session, for the edge's tagged OK. */
export function sessionCapabilities(account: Pick<ImapAccount, 'appendLimitBytes' | 'metadata' | 'access'>): string {
  const off = capabilitiesOff(account)
  const offered =
    account.access === undefined ? SESSION_CAPABILITIES : [...SESSION_CAPABILITIES, ...SHARING_CAPABILITIES]
  const names = offered.filter((name) => !off.has(name.toUpperCase()))
  if (!off.has('APPENDLIMIT')) names.push(`APPENDLIMIT=${account.appendLimitBytes}`) // RFC 7889
  return names.join(' ')
}
