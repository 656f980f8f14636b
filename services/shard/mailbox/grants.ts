/**
 * What the shard keeps of sharing (RFC 4314) beside annotations, and in the same records: so it is mirrored, moves with the account and
 * goes with the mailbox. Names of annotations begin with `/private` or `/shared`: no client can say these.
 *
 *     /acl/bob@example.test = lrs     of a mailbox: what Bob may do there
 *     /acl/anna@example.test          of an account as a whole: it is Anna's
 *     /address = anna@example.test    of an account: under which address others see its mailboxes
 */
import type { Grant, MetadataChange, MetadataEntry } from '#lib/imap/store.ts'

const GRANT = '/acl/'
const ADDRESS = '/address'

/** Under which a grant for `identifier` is kept. */
export function grantName(identifier: string): string {
  return GRANT + identifier
}

export function isGrantEntry({ name }: Pick<MetadataChange, 'name'>): boolean {
  return name.startsWith(GRANT)
}

/** @param rights Empty: the grant is taken away. */
export function grantEntry(identifier: string, rights: string): MetadataChange {
  return { name: grantName(identifier), value: rights === '' ? null : Buffer.from(rights) }
}

export function grantsOf(entries: readonly MetadataEntry[]): Grant[] {
  return entries
    .filter(isGrantEntry)
    .map(({ name, value }) => ({ identifier: name.slice(GRANT.length), rights: Buffer.from(value).toString() }))
}

/** What has to be changed so that the account is known under these addresses, the first one shown. */
export function addressChanges(entries: readonly MetadataEntry[], addresses: readonly string[]): MetadataChange[] {
  const known = new Set(grantsOf(entries).map(({ identifier }) => identifier))
  const wanted = new Set(addresses)
  const [address] = addresses
  return [
    ...(address === undefined || addressOf(entries) === address
      ? []
      : [{ name: ADDRESS, value: Buffer.from(address) }]),
    ...[...wanted.difference(known)].map((fresh) => ({ name: grantName(fresh), value: Buffer.alloc(0) })),
    ...[...known.difference(wanted)].map((old) => ({ name: grantName(old), value: null })),
  ]
}

/** Null: nobody of the account has logged in since mailboxes are shared. */
export function addressOf(entries: readonly MetadataEntry[]): string | null {
  const entry = entries.find(({ name }) => name === ADDRESS)
  return entry === undefined ? null : Buffer.from(entry.value).toString()
}
