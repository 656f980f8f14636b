import type { EventPayload } from '#lib/events/events.ts'
import { canonicalDomain } from '#lib/ldap/address.ts'
import type { Applied, Context } from './context.ts'
import { Refusal } from './refusal.ts'

type Filter = Extract<EventPayload<'provision.command'>['command'], { kind: 'domain.filter' }>

/**
 * What a domain wishes of the filter. Where a Domain resource says it too, that one wins when it is looked at next: the command is for
 * domains without one, and for what a Domain does not say.
 */
export async function filterDomain(context: Context, { name, filter }: Filter): Promise<Applied> {
  const canonical = canonicalDomain(name)
  if (canonical === null) throw new Refusal('invalid', `${JSON.stringify(name)} is not a domain name`)
  const domain = await context.ports.accounts.domain(canonical)
  if (domain === null) throw new Refusal('unknown-domain', `there is no mail domain ${canonical}`)
  const changed = await context.ports.accounts.ensureDomain({ ...domain, filter })
  await context.ports.events.publish('domain.changed', { name: canonical }, `${context.commandId}-domain`)
  return { changed, account: null }
}
