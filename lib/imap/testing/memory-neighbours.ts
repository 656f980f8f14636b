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
        .map((mailbox) => ({ account, owner: account.addresses[0] ?? '', mailbox })),
    )
  }

  watchGrants(_identifiers: readonly string[], listener: () => void): () => void {
    const ends = [...this.#accounts].map((account) => account.watch(listener))
    return () => {
      for (const end of ends) end()
    }
  }

  knows(address: string): boolean {
    return [...this.#accounts].some(({ addresses }) => addresses.includes(address))
  }
}
