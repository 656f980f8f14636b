/**
 * As whom a user may write (RFC 6409 section 6.1): in the envelope under an address of his own only; in From under no address of a Domain of
 * ours that is not his, since what leaves is signed for the Domain in From and goes the way that this Domain has chosen.
 */
import type { Directory, DirectoryAccount } from '#lib/directory/port.ts'
import { canonicalDomain } from '#lib/ldap/address.ts'
import type { Author } from '#lib/letter/mod.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Reply } from '#lib/smtp/mod.ts'
import type { EdgeMetrics } from '../metrics.ts'
import { REPLIES } from './replies.ts'

export interface OwnershipOptions {
  readonly directory: Pick<Directory, 'lookup' | 'domain'>
  readonly metrics: Pick<EdgeMetrics, 'directoryErrors'>
  readonly logger: Logger
}

export class Ownership {
  readonly #options: OwnershipOptions

  constructor(options: OwnershipOptions) {
    this.#options = options
  }

  /** @param address Reverse-path; the null path is for notifications. @returns null: the account may use it */
  async sender(account: DirectoryAccount, address: string): Promise<Reply | null> {
    if (address === '') return null
    return await this.#ask(async () => ((await this.#isOwn(account, address)) ? null : REPLIES.senderNotOwned))
  }

  /** @returns null: the account may write as all of them */
  async authors(account: DirectoryAccount, authors: readonly Author[]): Promise<Reply | null> {
    return await this.#ask(async () => {
      for (const { local, domain: said } of authors) {
        const domain = canonicalDomain(said)
        if (domain === null || (await this.#options.directory.domain(domain)) === null) continue
        if (!(await this.#isOwn(account, `${local}@${domain}`))) return REPLIES.authorNotOwned
      }
      return null
    })
  }

  async #isOwn(account: DirectoryAccount, address: string): Promise<boolean> {
    const wanted = address.toLowerCase()
    if (account.address === wanted || account.aliases.includes(wanted)) return true
    const found = await this.#options.directory.lookup(address) // a new alias, a subaddress
    return found.kind === 'account' && found.account.id === account.id
  }

  async #ask(decide: () => Promise<Reply | null>): Promise<Reply | null> {
    try {
      return await decide()
    } catch (err) {
      this.#options.metrics.directoryErrors.inc()
      this.#options.logger.warn({ err }, 'cannot look up a sender')
      return REPLIES.directoryAway
    }
  }
}
