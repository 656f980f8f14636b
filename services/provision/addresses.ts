/** Addresses of commands: brought to their one form, and checked against the domains of this array. */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { canonicalAddress } from '#lib/ldap/address.ts'
import type { Context } from './context.ts'
import { Refusal } from './refusal.ts'

/** @throws {Refusal} invalid */
export function addressOf(text: string): string {
  const address = canonicalAddress(text)
  if (address === null) throw new Refusal('invalid', `${JSON.stringify(text)} cannot be an address here`)
  return address
}

/** @throws {Refusal} unknown-domain */
export async function requireDomains(context: Context, addresses: readonly string[]): Promise<void> {
  for (const name of new Set(addresses.map((address) => address.slice(address.lastIndexOf('@') + 1)))) {
    const domain = await context.ports.accounts.domain(name)
    if (!domain?.active) throw new Refusal('unknown-domain', `${name} is not a domain of this array`)
  }
}

/** A write whose address somebody else has is refused. */
export async function takenOr<T>(written: Promise<T>): Promise<T> {
  try {
    return await written
  } catch (error) {
    if (errorCode(error) === 'DIRECTORY_TAKEN') throw new Refusal('address-taken', errorMessage(error))
    throw error
  }
}

/** Mail for postmaster and abuse always reaches a mailbox: an address that a Domain names does not go. @throws {Refusal} */
export async function requireUnnamed(context: Context, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const [domain] = await context.ports.accounts.domainsNaming(address)
    if (domain === undefined) continue
    throw new Refusal(
      'named-by-domain',
      `${address} is the postmaster or catch-all of ${domain}: change the Domain first`,
    )
  }
}
