/** What carrying out a command needs from outside. */
import type { EventPayload, EventType, ProvisionResult } from '#lib/events/events.ts'
import type { MoveOrder, MoveProgress } from '#lib/frames/move.ts'
import type { AccountCommand } from '#lib/frames/shard-protocol.ts'
import type { DirectoryAdmin } from '#lib/ldap/admin.ts'
import type { AccountId, ShardName } from '#lib/mail/types.ts'
import type { Random } from '#lib/ports/random.ts'

/** The part of the directory that provisioning writes. */
export type Accounts = Pick<
  DirectoryAdmin,
  | 'account'
  | 'addAccount'
  | 'updateAccount'
  | 'deleteAccount'
  | 'appPasswords'
  | 'domain'
  | 'domainsNaming'
  | 'ensureDomain'
  | 'shards'
  | 'countAccounts'
  | 'eachAccount'
  | 'renameAccount'
  | 'group'
  | 'addGroup'
  | 'updateGroup'
  | 'deleteGroup'
  | 'replaceMember'
  | 'setHome'
>

/** Shards as owners of accounts. Both may be repeated. @throws when the shard cannot be reached or refuses */
export interface Shards {
  tell(home: ShardName, command: AccountCommand): Promise<void>
  /** @returns The move as it is now, or where the account is if it is not at `home`. */
  move(home: ShardName, order: MoveOrder): Promise<MoveReply>
  endSessions(home: ShardName, account: AccountId, reason: string): Promise<void>
}

export type MoveReply =
  | { readonly kind: 'under-way'; readonly progress: MoveProgress }
  /** Nothing of it is known there. */
  | { readonly kind: 'none' }
  | { readonly kind: 'elsewhere'; readonly home: ShardName }
  | { readonly kind: 'refused'; readonly message: string }

export interface Publisher {
  /** Done when it is on disk. @param id The same at each repeat. */
  publish<Type extends EventType>(type: Type, payload: EventPayload<Type>, id: string): Promise<void>
}

export interface Ports {
  readonly accounts: Accounts
  readonly shards: Shards
  readonly events: Publisher
  /** Result that a command got before; null if none. */
  readonly storedResult: (commandId: string) => Promise<ProvisionResult | null>
  readonly random: Random
}
