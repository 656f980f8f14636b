/** What other accounts of this shard share. Accounts of other shards are not reached: `docs/imap.md` says so to whoever switches sharing on. */
import type { Neighbours, SharedMailbox } from '#lib/imap/sharing/neighbours.ts'
import type { AccountId } from '#lib/mail/types.ts'
import { addressOf, grantName } from './grants.ts'
import { ImapAccountState } from './imap-account.ts'
import type { StoreCore } from './store-core.ts'

interface Owner {
  readonly account: ImapAccountState
  readonly address: string | null
}

export class ShardNeighbours implements Neighbours {
  readonly #core: StoreCore

  constructor(core: StoreCore) {
    this.#core = core
  }

  sharedWith(identifiers: readonly string[]): readonly SharedMailbox[] {
    const owners = new Map<AccountId, Owner>()
    const shared: SharedMailbox[] = []
    for (const { account: id, mailbox: mailboxId } of this.#core.index.granted(identifiers.map(grantName))) {
      const state = this.#core.accounts.get(id)
      const mailbox = state?.mailbox(mailboxId)
      if (state === null || mailbox === undefined) continue
      const owner = owners.get(id) ?? this.#owner(id)
      owners.set(id, owner)
      const { account, address } = owner
      if (address !== null) shared.push({ account, owner: address, mailbox: state.info(mailbox) })
    }
    return shared
  }

  watchGrants(identifiers: readonly string[], listener: () => void): () => void {
    return this.#core.watchers.watchGrants(identifiers.map(grantName), listener)
  }

  knows(address: string): boolean {
    return this.#core.index.isKnownAs(grantName(address))
  }

  #owner(id: AccountId): Owner {
    const account = new ImapAccountState(this.#core, id)
    return { account, address: addressOf(account.metadata(null)) }
  }
}
