/**
 * RCPT: from an address to the account and shard that will take the letter, or to the reply that refuses it. What is
 * accepted here is deliverable; nothing is ever bounced afterwards (rules.md, Delivery).
 */
import { domainToASCII } from 'node:url'
import type { Directory, DirectoryAccount } from '#lib/directory/port.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { AccountId, ShardName } from '#lib/mail/types.ts'
import type { Reply } from '#lib/smtp/mod.ts'
import type { EdgeMetrics } from '../metrics.ts'
import type { RecipientChecks } from './recipient-checks.ts'
import { REPLIES, recipientReply } from './replies.ts'

export interface Recipient {
  /** As the client said it, domain in A-labels; goes into Delivered-To. */
  readonly address: string
  readonly account: AccountId
  readonly shard: ShardName
}

export type RecipientDecision =
  | { readonly kind: 'accepted'; readonly recipient: Recipient }
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
   */
  async decide(said: string, sizeBytes: number, foreign: Reply | 'queue'): Promise<RecipientDecision> {
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
        return await this.#atShard(address, found, sizeBytes)
    }
  }

  async #postmasterOf(address: string, sizeBytes: number): Promise<RecipientDecision> {
    const found = this.#postmaster === null ? 'unknown-address' : await this.#lookup(this.#postmaster)
    if (found === 'away') return refused(REPLIES.directoryAway)
    if (typeof found === 'string') return refused(REPLIES.noPostmaster)
    return await this.#atShard(address, found, sizeBytes)
  }

  async #atShard(address: string, account: DirectoryAccount, sizeBytes: number): Promise<RecipientDecision> {
    if (account.status !== 'active') return refused(REPLIES.accountSuspended)
    const { shard, verdict } = await this.#checks.check(account.home, account.id, sizeBytes)
    if (shard !== account.home) this.#directory.forget(account.id) // it told us an old home
    const reply = recipientReply(verdict)
    return reply === null ? { kind: 'accepted', recipient: { address, account: account.id, shard } } : refused(reply)
  }

  async #lookup(address: string): Promise<DirectoryAccount | 'unknown-address' | 'foreign-domain' | 'away'> {
    try {
      const found = await this.#directory.lookup(address)
      return found.kind === 'account' ? found.account : found.kind
    } catch (err) {
      this.#metrics.directoryErrors.inc()
      this.#logger.warn({ err }, 'cannot look up a recipient')
      return 'away'
    }
  }
}
