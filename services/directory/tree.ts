import { UNITS, unitDn } from '#lib/ldap/schema.ts'
import { Fault } from './fault.ts'
import type { DirectoryStore } from './store.ts'

/** The base entry and its units: what an administrator makes by hand on another LDAP server. */
export function ensureTree(store: DirectoryStore, baseDn: string): void {
  const organization = /^o=([^,+]+)/i.exec(baseDn)?.[1]
  if (organization === undefined)
    throw new Error(`Cannot use ${JSON.stringify(baseDn)} as the base: it must begin with o=`)
  const entries: [dn: string, attributes: Map<string, string[]>][] = [
    [
      baseDn,
      new Map([
        ['objectclass', ['organization']],
        ['o', [organization]],
      ]),
    ],
    ...Object.values(UNITS).map((unit): [string, Map<string, string[]>] => [
      unitDn(unit, baseDn),
      new Map([
        ['objectclass', ['organizationalUnit']],
        ['ou', [unit]],
      ]),
    ]),
  ]
  for (const [dn, attributes] of entries) {
    try {
      store.add(dn, attributes)
    } catch (error) {
      if (!(error instanceof Fault && error.result === 'entryAlreadyExists')) throw error
    }
  }
}
