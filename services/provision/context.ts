/** What the parts of carrying out one command share. */
import type { EventPayload } from '#lib/events/events.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Placement } from './placement.ts'
import type { Ports } from './ports.ts'

export interface Context {
  readonly ports: Ports
  readonly placement: Placement
  readonly commandId: string
  /** What is left on the account: `mark.ts`. */
  readonly mark: string
  /** Wall-clock time, milliseconds. */
  readonly nowMs: number
  readonly clock: Clock
}

export interface Applied {
  /** False when everything was as wished already. */
  readonly changed: boolean
  /** The account as it is now; null for domains, groups and accounts that are not there. */
  readonly account: StoredAccount | null
  /** The account as it was, for the audit trail; absent or null: not known any more, or the same. */
  readonly before?: StoredAccount | null
  /** What the audit trail tells beyond the account. */
  readonly facts?: Readonly<Record<string, unknown>>
  /** Of `account.open`. */
  readonly ticket?: string
}

/** News for caches. Its id is the command's, so that a repeat is stored once. */
export async function sayChange(
  context: Context,
  account: StoredAccount,
  change: EventPayload<'account.changed'>['change'],
  /** Addresses that it had before. */
  former: readonly string[] = [],
): Promise<void> {
  const addresses = [...new Set([account.address, ...account.aliases, ...former])]
  await context.ports.events.publish(
    'account.changed',
    { account: account.id, addresses, change },
    `${context.commandId}-account`,
  )
}
