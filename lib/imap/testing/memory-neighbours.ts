/** `Neighbours` of accounts in memory. */
import type { Neighbours, SharedMailbox } from '../sharing/neighbours.ts'
import type { MemoryAccount } from './memory-account.ts'

export class MemoryNeighbours implements Neighbours {
  readonly #accounts = new Set<MemoryAccount>()

  add(account: MemoryAccount): void {
    this.#accounts.add(account)
  }

  sharedWith(identifiers: readonly string[]): readonly SharedMailbox[] {
    return [...this.#accounts].flatMap((account) =>
      account
        .mailboxes()
        .filter(({ id }) => account.grants(id).some(({ identifier }) => identifiers.includes(identifier)))
        .map((mailbox) => ({ account, owner: account.address, mailbox })),
    )
  }
}
