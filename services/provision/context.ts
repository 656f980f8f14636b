/** What the parts of carrying out one command share. */
import type { EventPayload } from '#lib/events/events.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import type { Placement } from './placement.ts'
import type { Ports } from './ports.ts'

export interface Context {
  readonly ports: Ports
  readonly placement: Placement
  readonly commandId: string
  /** What is left on the account: `mark.ts`. */
  readonly mark: string
}

export interface Applied {
  /** False when everything was as wished already. */
  readonly changed: boolean
  /** The account as it is now; null for domains and accounts that are not there. */
  readonly account: StoredAccount | null
}

/** News for caches. Its id is the command's, so that a repeat is stored once. */
export async function sayChange(
  context: Context,
  account: StoredAccount,
  change: EventPayload<'account.changed'>['change'],
): Promise<void> {
  const addresses = [account.address, ...account.aliases]
  await context.ports.events.publish(
    'account.changed',
    { account: account.id, addresses, change },
    `${context.commandId}-account`,
  )
}
