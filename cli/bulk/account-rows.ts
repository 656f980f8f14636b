/**
 * Rows of a file as wishes for accounts, and what is to be done about each when it is held against the directory. Pure: the
 * same row and the same facts give the same answer, in a dry run and in earnest.
 */
import { canonicalAddress } from '#lib/ldap/address.ts'
import type { StoredAccount } from '#lib/ldap/entry.ts'
import { isPasswordHash } from '#lib/sasl/password.ts'
import { parseScramKeys } from '#lib/sasl/scram.ts'
import type { StoredSecrets } from '#lib/sasl/secrets.ts'
import { bytesWord } from '../administered.ts'
import type { LdifEntry } from './ldif.ts'

export interface AccountWish {
  readonly address: string
  readonly aliases: readonly string[]
  readonly displayName: string | null
  readonly quotaBytes: number | null
  readonly locale: string | null
  readonly home: string | null
  /** Null: nobody can log in until a password is set. */
  readonly secret: { readonly password: string } | StoredSecrets | null
}

/** Why a row cannot be used. */
export type RowProblem =
  | 'address'
  | 'alias'
  | 'quota'
  | 'locale'
  | 'shard'
  | 'password-form'
  | 'domain'
  | 'twice'
  | 'taken'
  | 'differs'
  | 'deleted'

export type Row =
  | { readonly kind: 'account'; readonly line: number; readonly wish: AccountWish }
  | { readonly kind: 'problem'; readonly line: number; readonly address: string; readonly problem: RowProblem }
  /** Of an LDIF file: not a person with an address. */
  | { readonly kind: 'other'; readonly line: number }

/** Names of columns, in lower case without blanks, hyphens and underscores, and what they mean. */
const COLUMNS: Readonly<Record<string, keyof Texts>> = {
  address: 'address',
  mail: 'address',
  email: 'address',
  aliases: 'aliases',
  alias: 'aliases',
  name: 'name',
  displayname: 'name',
  quota: 'quota',
  locale: 'locale',
  language: 'locale',
  home: 'home',
  shard: 'home',
  password: 'password',
  passwordhash: 'passwordHash',
  scramkeys: 'scramKeys',
}

interface Texts {
  address: string
  /** With blanks, commas or semicolons between. */
  aliases: string
  name: string
  quota: string
  locale: string
  home: string
  password: string
  passwordHash: string
  scramKeys: string
}

const NOTHING: Texts = {
  address: '',
  aliases: '',
  name: '',
  quota: '',
  locale: '',
  home: '',
  password: '',
  passwordHash: '',
  scramKeys: '',
}

/** @returns The meaning of each column; the name of one that has none. */
export function columnsOf(
  head: readonly string[],
): { readonly columns: (keyof Texts)[] } | { readonly unknown: string } {
  const columns: (keyof Texts)[] = []
  for (const name of head) {
    const meaning = COLUMNS[name.toLowerCase().replace(/[\s_-]/g, '')]
    if (meaning === undefined) return { unknown: name }
    columns.push(meaning)
  }
  return columns.includes('address') ? { columns } : { unknown: head[0] ?? '' }
}

export function csvRow(columns: readonly (keyof Texts)[], fields: readonly string[], line: number): Row {
  const texts = { ...NOTHING }
  columns.forEach((column, i) => {
    texts[column] = fields[i] ?? ''
  })
  return rowOf(texts, line)
}

/** Of `inetOrgPerson`; passwords in clear or as Twinpost stores them. */
export function ldifRow({ attributes, line }: LdifEntry): Row {
  const first = (name: string) => attributes.get(name)?.[0] ?? ''
  const address = first('mail')
  if (address === '' || first('twinpostsenders') !== '') return { kind: 'other', line }
  const aliases = [...(attributes.get('maillocaladdress') ?? []), ...(attributes.get('mail') ?? []).slice(1)]
  const userPassword = first('userpassword')
  const row = rowOf(
    {
      ...NOTHING,
      address,
      aliases: aliases.filter((alias) => alias.toLowerCase() !== address.toLowerCase()).join(' '),
      name: first('displayname') || first('cn'),
      quota: first('twinpostquotabytes'),
      locale: first('preferredlanguage'),
      password: userPassword,
      passwordHash: first('twinpostpasswordhash'),
      scramKeys: first('twinpostscramkeys'),
    },
    line,
  )
  // {SSHA} and its like (RFC 2307): the password cannot be found out from it, and no keys for SCRAM be made.
  if (/^\{[^}]+\}/.test(userPassword)) return { kind: 'problem', line, address, problem: 'password-form' }
  return row
}

function rowOf(texts: Texts, line: number): Row {
  const wrong = (problem: RowProblem): Row => ({ kind: 'problem', line, address: texts.address, problem })
  const address = canonicalAddress(texts.address)
  if (address === null) return wrong('address')
  const aliases: string[] = []
  for (const text of texts.aliases.split(/[\s,;]+/).filter((part) => part !== '')) {
    const alias = canonicalAddress(text)
    if (alias === null) return wrong('alias')
    if (alias !== address) aliases.push(alias)
  }
  const quotaBytes = texts.quota === '' ? null : bytesWord(texts.quota)
  if (quotaBytes === undefined) return wrong('quota')
  if (texts.locale !== '' && !/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(texts.locale)) return wrong('locale')
  if (texts.home !== '' && !/^[a-z]([a-z0-9-]{0,50}[a-z0-9])?\/(0|[1-9][0-9]?)$/.test(texts.home)) return wrong('shard')
  const secret = secretOf(texts)
  if (secret === undefined) return wrong('password-form')
  const wish = {
    address,
    aliases: [...new Set(aliases)].sort(),
    displayName: texts.name || null,
    quotaBytes,
    locale: texts.locale || null,
    home: texts.home || null,
    secret,
  }
  return { kind: 'account', line, wish }
}

/** @returns undefined for a stored form that is none of ours. */
function secretOf({ password, passwordHash, scramKeys }: Texts): AccountWish['secret'] | undefined {
  if (password !== '') return { password }
  if (passwordHash === '' && scramKeys === '') return null
  return isPasswordHash(passwordHash) && parseScramKeys(scramKeys) !== null ? { passwordHash, scramKeys } : undefined
}

export interface Facts {
  /** The domains of address and aliases that are not ours. */
  readonly foreignDomains: readonly string[]
  /** The account with the address or one of the aliases; several: any that is not the wished one. */
  readonly holder: StoredAccount | null
  /** A group has one of the addresses. */
  readonly group: boolean
  /** An earlier row of the file has one of the addresses. */
  readonly seen: boolean
}

export type RowDecision =
  | { readonly kind: 'create' }
  /** It is there as wished: made by an earlier run, or by hand. Its password stays as it is. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly problem: RowProblem }

export function decide(wish: AccountWish, facts: Facts): RowDecision {
  const refused = (problem: RowProblem): RowDecision => ({ kind: 'refused', problem })
  if (facts.seen) return refused('twice')
  if (facts.foreignDomains.length > 0) return refused('domain')
  const { holder } = facts
  if (holder === null) return facts.group ? refused('taken') : { kind: 'create' }
  if (holder.address !== wish.address) return refused('taken')
  if (holder.status === 'deleting') return refused('deleted')
  if (holder.status === 'creating') return { kind: 'create' } // begun by a run that was ended: goes on
  const same = JSON.stringify(holder.aliases) === JSON.stringify(wish.aliases)
  return same && (wish.home === null || wish.home === holder.home) ? { kind: 'unchanged' } : refused('differs')
}
