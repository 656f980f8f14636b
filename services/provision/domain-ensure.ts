import type { EventPayload } from '#lib/events/events.ts'
import { canonicalAddress, canonicalDomain } from '#lib/ldap/address.ts'
import type { Applied, Context } from './context.ts'
import { Refusal } from './refusal.ts'

type Ensure = Extract<EventPayload<'provision.command'>['command'], { kind: 'domain.ensure' }>

/** Makes the domain's entry say what is wished. */
export async function ensureDomain(context: Context, command: Ensure): Promise<Applied> {
  const name = canonicalDomain(command.name)
  if (name === null) throw new Refusal('invalid', `${JSON.stringify(command.name)} is not a domain name`)
  const address = (text: string | null) => {
    const canonical = text === null ? null : canonicalAddress(text)
    if (text !== null && canonical === null) throw new Refusal('invalid', `${JSON.stringify(text)} is not an address`)
    return canonical
  }
  const { active, isDefault } = command
  const domain = {
    name,
    active,
    isDefault,
    postmaster: address(command.postmaster),
    catchAll: address(command.catchAll),
  }
  const changed = await context.ports.accounts.ensureDomain(domain)
  await context.ports.events.publish('domain.changed', { name }, `${context.commandId}-domain`)
  return { changed, account: null }
}
