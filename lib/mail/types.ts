/**
 * The numbers and names of the mail store that mean something of their own. Each has a checking constructor;
 * inside the store they travel as branded values, so that a UID is never taken for a sequence number.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

declare const brand: unique symbol
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name }

/** Owner of mailboxes. Made once by provisioning, never changes: renames and moves keep it. `[a-z2-7]{16}`. */
export type AccountId = Brand<string, 'AccountId'>
/** One mailbox for life (RFC 8474 MAILBOXID): renames and moves keep it. `[a-z2-7]{13}`. */
export type MailboxId = Brand<string, 'MailboxId'>
/** RFC 9051 section 2.3.1.1: 1..2^32-1, only grows within one UIDVALIDITY. */
export type Uid = Brand<number, 'Uid'>
/** RFC 7162: 1..2^53-1, grows with each change in the account. */
export type ModSeq = Brand<number, 'ModSeq'>
/** Position in a shard's logical log: dense record number from 1, below 2^53. */
export type Lsn = Brand<number, 'Lsn'>
/** Right to write a shard: grows with each change of primary, below 2^53. */
export type Epoch = Brand<number, 'Epoch'>
/** `<mailnode>/<index>`, as `n1/0`. */
export type ShardName = Brand<string, 'ShardName'>

export const VALUE_ERRORS = {
  VALUE_OUT_OF_RANGE: {
    retry: false,
    meaning: 'A value cannot be what it was given as: an LSN, a UID, an account id, the name of a shard.',
  },
} as const satisfies Record<string, ErrorSpec>

export class ValueError extends CodedError<keyof typeof VALUE_ERRORS> {
  override readonly name = 'ValueError'
}

function outOfRange(what: string, value: unknown, rule: string): ValueError {
  return new ValueError('VALUE_OUT_OF_RANGE', `Cannot use ${JSON.stringify(value)} as ${what}: ${rule}`)
}

export function toAccountId(text: string): AccountId {
  if (/^[a-z2-7]{16}$/.test(text)) return text as AccountId
  throw outOfRange('an account id', text, 'must be 16 of a-z, 2-7')
}

export function toMailboxId(text: string): MailboxId {
  if (/^[a-z2-7]{13}$/.test(text)) return text as MailboxId
  throw outOfRange('a mailbox id', text, 'must be 13 of a-z, 2-7')
}

export function toUid(n: number): Uid {
  if (Number.isInteger(n) && n >= 1 && n <= 0xffff_ffff) return n as Uid
  throw outOfRange('a UID', n, 'must be 1..4294967295')
}

export function toModSeq(n: number): ModSeq {
  if (Number.isSafeInteger(n) && n >= 0) return n as ModSeq
  throw outOfRange('a MODSEQ', n, 'must be 0..2^53-1')
}

export function toLsn(n: number): Lsn {
  if (Number.isSafeInteger(n) && n >= 0) return n as Lsn
  throw outOfRange('an LSN', n, 'must be 0..2^53-1')
}

export function toEpoch(n: number): Epoch {
  if (Number.isSafeInteger(n) && n >= 0) return n as Epoch
  throw outOfRange('an epoch', n, 'must be 0..2^53-1')
}

export function toShardName(text: string): ShardName {
  if (/^[a-z]([a-z0-9-]{0,50}[a-z0-9])?\/(0|[1-9][0-9]?)$/.test(text)) return text as ShardName
  throw outOfRange('a shard name', text, 'must be <mailnode>/<index>, as n1/0')
}

/** The MailNode's name and the index of a shard name. */
export function splitShardName(shard: ShardName): { mailNode: string; index: number } {
  const slash = shard.indexOf('/')
  return { mailNode: shard.slice(0, slash), index: Number(shard.slice(slash + 1)) }
}
