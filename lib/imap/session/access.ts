/** What a session says about rights (RFC 4314 section 3). */
import { ALL_RIGHTS, shownRights } from '../sharing/rights.ts'
import type { MailboxInfo } from '../store.ts'
import type { SessionContext } from './context.ts'

/** The MYRIGHTS response without `* `. */
export function myRightsResponse({ dialect }: Pick<SessionContext, 'dialect'>, { name, rights }: MailboxInfo): string {
  return `MYRIGHTS ${dialect.name(name)} ${shownRights(rights ?? ALL_RIGHTS)}`
}
