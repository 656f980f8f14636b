/**
 * RCPT: from an address to the account and shard that will take the letter, or to the reply that refuses it. What is
 * accepted here is deliverable; nothing is ever bounced afterwards (rules.md, Delivery).
 */
import { domainToASCII } from 'node:url'
import type { AddressLookup, Directory, DirectoryAccount, DirectoryGroup } from '#lib/directory/port.ts'
import { type FilterWish, wishesOf } from '#lib/filter/settings.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { AccountId, ShardName } from '#lib/mail/types.ts'
import type { Reply } from '#lib/smtp/mod.ts'
import type { EdgeMetrics } from '../metrics.ts'
import { type Author, expandGroup } from './group-expansion.ts'
import type { RecipientChecks } from './recipient-checks.ts'
import { REPLIES, recipientReply } from './replies.ts'

export interface Recipient {
  /** As the client said it, domain in A-labels; goes into Delivered-To. */
  readonly address: string
  readonly account: AccountId
  readonly shard: ShardName
  /** What of the filter is wished for mail to this address, from near to far; absent: nothing. */
  readonly wishes?: readonly FilterWish[]
}

export type RecipientDecision =
  | { readonly kind: 'accepted'; readonly recipient: Recipient }
  /** Of a group: those of its members who can get the letter, at least one. */
  | { readonly kind: 'group'; readonly recipients: readonly Recipient[] }
  /** Of a domain that is not ours, from one who may send there; domain in A-labels. */
  | { readonly kind: 'foreign'; readonly address: string }
  | { readonly kind: 'refused'; readonly reply: Reply }

const refused = (reply: Reply): RecipientDecision => ({ kind: 'refused', reply })
const BEYOND_ASCII = /[^\x20-\x7e]/

/** The domain in A-labels and lower case, the local part as it is; null if it cannot be written in ASCII. */
export function asciiAddress(address: string): string | null {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at)
  const domain = address.slice(at + 1)
  if (BEYOND_ASCII.test(local)) return null
  if (!BEYOND_ASCII.test(domain)) return `${local}@${domain.toLowerCase()}`
  const ascii = domainToASCII(domain)
  return ascii === '' ? null : `${local}@${ascii}`
}

/** Local parts that every Domain must answer (RFC 5321 section 4.5.1, RFC 2142 section 2). */
const ALWAYS_REACHED = /^(?:postmaster|abuse)@/i

export class Recipients {
  readonly #directory: Directory
  readonly #checks: Pick<RecipientChecks, 'check'>
  readonly #logger: Logger
  readonly #metrics: EdgeMetrics
  readonly #postmaster: string | null

  constructor(options: {
    readonly directory: Directory
    readonly checks: Pick<RecipientChecks, 'check'>
    readonly logger: Logger
    readonly metrics: EdgeMetrics
    /** Address that gets what `postmaster` and `abuse` of a Domain without such addresses get. */
    readonly postmaster: string | null
  }) {
    this.#directory = options.directory
    this.#checks = options.checks
    this.#logger = options.logger
    this.#metrics = options.metrics
    this.#postmaster = options.postmaster
  }

  /**
   * @param said Forward-path of RCPT; `postmaster` may stand alone.
   * @param foreign Reply for domains that are not ours; `queue`: the client may send there.
   * @param author Who has logged in: some groups take mail of their own people only.
   */
  async decide(
    said: string,
    sizeBytes: number,
    foreign: Reply | 'queue',
    author: Author = null,
  ): Promise<RecipientDecision> {
    const bare = said.toLowerCase() === 'postmaster' // RFC 5321 section 4.1.1.3: stands alone, for this server
    const address = bare ? said : asciiAddress(said)
    if (address === null) return refused(REPLIES.recipientSyntax)
    const found = await this.#lookup(address)
    switch (found) {
      case 'away':
        return refused(REPLIES.directoryAway)
      case 'foreign-domain':
        if (bare) return await this.#postmasterOf(address, sizeBytes)
        if (foreign !== 'queue') return refused(foreign)
        // No server of the open network is reached by its address: and ours would be reached behind every check.
        return address.endsWith(']') ? refused(REPLIES.addressLiteral) : { kind: 'foreign', address }
      case 'unknown-address':
        if (bare || ALWAYS_REACHED.test(address)) return await this.#postmasterOf(address, sizeBytes)
        return refused(REPLIES.unknownAddress)
      default:
        if (!('members' in found)) return await this.#atShard(address, found, sizeBytes)
        return ALWAYS_REACHED.test(address)
          ? await this.#atRoleGroup(address, found, sizeBytes)
          : await this.#atGroup(address, found, sizeBytes, author)
    }
  }

  /** A group may be postmaster, but nobody is kept out of it, and one that reaches nobody is not the end of it. */
  async #atRoleGroup(address: string, group: DirectoryGroup, sizeBytes: number): Promise<RecipientDecision> {
    const decision = await this.#atGroup(address, { ...group, senders: 'anyone' }, sizeBytes, null)
    const refusedForGood = decision.kind === 'refused' && decision.reply.code >= 500
    return refusedForGood ? await this.#postmasterOf(address, sizeBytes) : decision
  }

  /**
   * A member who can get no mail for good (gone, suspended, full) is left out: else one full mailbox would keep a letter from
   * all the others. One whose shard does not answer makes the sender come again.
   */
  async #atGroup(
    address: string,
    group: DirectoryGroup,
    sizeBytes: number,
    author: Author,
  ): Promise<RecipientDecision> {
    const expansion = await this.#guarded(() => expandGroup(group, author, (one) => this.#directory.lookup(one)))
    if (expansion === 'away') return refused(REPLIES.directoryAway)
    if (expansion.kind === 'not-allowed') return refused(REPLIES.groupNotAllowed)
    if (expansion.kind === 'too-large') return refused(REPLIES.groupTooLarge)
    const decisions = await Promise.all(
      expansion.accounts.map((one) => this.#atShard(address, one, sizeBytes, group.filter)),
    )
    const away = decisions.find((one) => one.kind === 'refused' && one.reply === REPLIES.shardAway)
    if (away) return away
    const recipients = decisions.flatMap((one) => (one.kind === 'accepted' ? [one.recipient] : []))
    const leftOut = expansion.accounts.filter((_, i) => decisions[i]?.kind !== 'accepted').map((one) => one.address)
    if (leftOut.length > 0 || expansion.lost.length > 0) {
      this.#logger.warn({ group: group.address, leftOut, lost: expansion.lost }, 'members of a group get no mail')
    }
    return recipients.length === 0 ? refused(REPLIES.groupEmpty) : { kind: 'group', recipients }
  }

  async #postmasterOf(address: string, sizeBytes: number): Promise<RecipientDecision> {
    const found = this.#postmaster === null ? 'unknown-address' : await this.#lookup(this.#postmaster)
    if (found === 'away') return refused(REPLIES.directoryAway)
    if (typeof found === 'string') return refused(REPLIES.noPostmaster)
    return 'members' in found
      ? await this.#atGroup(address, found, sizeBytes, null)
      : await this.#atShard(address, found, sizeBytes)
  }

  /** @param groupWish Of the group that it is reached by. */
  async #atShard(
    address: string,
    account: DirectoryAccount,
    sizeBytes: number,
    groupWish?: FilterWish,
  ): Promise<RecipientDecision> {
    if (account.status !== 'active') return refused(REPLIES.accountSuspended)
    const { shard, verdict } = await this.#checks.check(account.home, account.id, sizeBytes)
    if (shard !== account.home) this.#directory.forget(account.id) // it told us an old home
    const reply = recipientReply(verdict)
    if (reply !== null) return refused(reply)
    const wishes = wishesOf(account.wishes, groupWish)
    return {
      kind: 'accepted',
      recipient: { address, account: account.id, shard, ...(wishes.length > 0 && { wishes }) },
    }
  }

  async #lookup(
    address: string,
  ): Promise<DirectoryAccount | DirectoryGroup | 'unknown-address' | 'foreign-domain' | 'away'> {
    const found = await this.#guarded<AddressLookup>(() => this.#directory.lookup(address))
    if (found === 'away') return found
    if (found.kind === 'account') return found.account
    return found.kind === 'group' ? found.group : found.kind
  }

  async #guarded<T>(ask: () => Promise<T>): Promise<T | 'away'> {
    try {
      return await ask()
    } catch (err) {
      this.#metrics.directoryErrors.inc()
      this.#logger.warn({ err }, 'cannot look up a recipient')
      return 'away'
    }
  }
}
