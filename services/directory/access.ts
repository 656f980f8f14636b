/** Who binds, and who may write where (`ACCESS` of the schema). Passwords come from one JSON object by service. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { parseDn, type Rdn } from '#lib/ldap/names.ts'
import { ACCESS, SERVICES, type Service, serviceDn, UNITS, unitDn } from '#lib/ldap/schema.ts'

const Credentials = z.partialRecord(z.enum(SERVICES), z.string().min(16))
export type Credentials = z.infer<typeof Credentials>

/** @throws {Error} when the text is not an object of passwords by service. */
export function parseCredentials(text: string): Credentials {
  return Credentials.parse(JSON.parse(text))
}

/** Who binds; null for a wrong name or password (the caller cannot tell which). Compares in constant time. */
export function authenticate(credentials: Credentials, baseDn: string, dn: string, password: string): Service | null {
  const service = SERVICES.find((candidate) => sameDn(parseDn(dn), serviceDn(candidate, baseDn))) ?? null
  const expected = service === null ? undefined : credentials[service]
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const same = timingSafeEqual(digest(expected ?? ''), digest(password))
  return same && expected !== undefined ? service : null
}

/** Entries are written directly below a unit, by those who may write there; the units themselves by nobody. */
export function mayWrite(service: Service, dn: string, baseDn: string): boolean {
  const parent = parseDn(dn)?.slice(1) ?? null
  const unit = Object.values(UNITS).find((candidate) => sameDn(parent, unitDn(candidate, baseDn)))
  return unit !== undefined && ACCESS[service].write.includes(unit)
}

/** Names of services and units are compared without regard to case. */
function sameDn(rdns: readonly Rdn[] | null, dn: string): boolean {
  const key = (list: readonly Rdn[] | null) =>
    JSON.stringify(list?.map(({ type, value }) => [type, value.toLowerCase()]))
  return rdns !== null && key(rdns) === key(parseDn(dn))
}
