/**
 * Directory, shards and events in memory, for tests of command handling. Any call can be made to fail: before it has an
 * effect, or after it (a lost answer), which is what a crash between two steps looks like from outside.
 */
import type { AnyEvent, EventPayload, ProvisionCommandInput } from '#lib/events/events.ts'
import { ProvisionCommand } from '#lib/events/events.ts'
import type { MoveOrder } from '#lib/frames/move.ts'
import type { AccountCommand } from '#lib/frames/shard-protocol.ts'
import type { AccountChange } from '#lib/ldap/admin.ts'
import type { NewAccount, StoredAccount, StoredDomain, StoredGroup, StoredShard } from '#lib/ldap/entry.ts'
import { DirectoryError } from '#lib/ldap/errors.ts'
import { silentLogger } from '#lib/log/logger.ts'
import { type AccountId, type ShardName, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { Expiry } from '../expiry.ts'
import { CommandHandler, type Ending } from '../handler.ts'
import type { Accounts, MoveReply, Ports } from '../ports.ts'

export interface OwnedAccount {
  readonly generation: number
  readonly suspended: boolean
  readonly quotaBytes: number | null
}

export class FakeWorld {
  readonly accounts = new Map<string, StoredAccount & { secret: string; apps: readonly string[] }>()
  readonly domains = new Map<string, StoredDomain>()
  readonly groups = new Map<string, StoredGroup>()
  /** Of sessions that shards were told to let in. */
  readonly tickets: string[] = []
  nowMs = 1_800_000_000_000
  shards: StoredShard[] = [
    { name: toShardName('n1/0'), active: true },
    { name: toShardName('n1/1'), active: true },
  ]
  readonly owned = new Map<ShardName, Map<AccountId, OwnedAccount>>()
  /** How often each move was asked for. */
  readonly moveLooks = new Map<string, number>()
  looksOfMove = 2
  moveEnds: 'done' | 'failed' = 'done'
  readonly ended: { readonly home: ShardName; readonly account: AccountId }[] = []
  /** By event id: JetStream stores a repeat once. */
  readonly events = new Map<string, { readonly type: AnyEvent['type']; readonly payload: unknown }>()
  readonly endings: Ending[] = []
  /** Names of the calls in order, failed ones too. */
  readonly calls: string[] = []
  #failAt = 0
  #after = false
  #handler = this.#newHandler()

  constructor() {
    this.domains.set('a.example', {
      name: 'a.example',
      active: true,
      postmaster: null,
      catchAll: null,
      isDefault: true,
    })
  }

  /** Makes the nth call from now fail, before or after its effect. */
  failAt(call: number, when: 'before' | 'after'): void {
    this.#failAt = this.calls.length + call
    this.#after = when === 'after'
  }

  /** Carries out what the look for graces that are over does with one account. */
  expire(address: string): Promise<boolean> {
    const account = this.accounts.get(address)
    return account ? this.#handler.expire(account) : Promise.resolve(false)
  }

  /** Looks as provisioning does every minute. @returns How many accounts went. */
  async look(): Promise<number> {
    const clock = { ...nodeClock, nowMs: () => this.nowMs }
    const expire = (account: StoredAccount) => this.#handler.expire(account)
    const expiry = new Expiry({ ports: this.#ports(), clock, logger: silentLogger, expire })
    const gone = await expiry.look()
    await expiry.close()
    return gone
  }

  /** A new process: nothing in memory survives. */
  restart(): void {
    this.#failAt = 0
    this.#handler = this.#newHandler()
  }

  async deliver(
    sequence: number,
    input: ProvisionCommandInput,
    delivery = 1,
    id = `c${sequence}`,
  ): Promise<'done' | 'retry'> {
    const payload = { actor: { name: 'admin', origin: 'test' }, command: ProvisionCommand.parse(input) }
    const event = { type: 'provision.command' as const, id, source: 'test', atMs: 0, payload }
    return (await this.#handler.handle({ event, place: { stream: 1, sequence }, delivery })).kind
  }

  result(id: string): EventPayload<'provision.result'> | null {
    const event = this.events.get(`${id}-result`)
    return event ? (event.payload as EventPayload<'provision.result'>) : null // published with this type
  }

  /** Everything that must be the same however often a command came. */
  state(): unknown {
    return {
      accounts: [...this.accounts.values()].map(({ id, ...account }) => account),
      domains: [...this.domains.values()],
      groups: [...this.groups.values()],
      owned: [...this.owned].map(([shard, accounts]) => [shard, [...accounts.values()]]).sort(),
      ended: new Set(this.ended.map(({ home }) => home)),
      events: [...this.events.keys()].sort(),
    }
  }

  #newHandler(): CommandHandler {
    return new CommandHandler({
      ports: this.#ports(),
      clock: { ...nodeClock, nowMs: () => this.nowMs },
      logger: silentLogger,
      ended: (_kind, ending) => this.endings.push(ending),
    })
  }

  async #call<T>(name: string, effect: () => T): Promise<T> {
    await Promise.resolve() // lets others run between any two calls
    this.calls.push(name)
    const fails = this.calls.length === this.#failAt
    const down = () => new DirectoryError('DIRECTORY_UNAVAILABLE', `${name} failed as asked`)
    if (fails && !this.#after) throw down()
    const value = effect()
    if (fails) throw down()
    return value
  }

  #ports(): Ports {
    return {
      accounts: this.#accountsPort(),
      shards: {
        tell: (home, command) => this.#call(`shard ${command.kind}`, () => this.#tell(home, command)),
        move: (home, order) => this.#call(`move ${order.kind}`, () => this.#move(home, order)),
        endSessions: (home, account) =>
          this.#call('end sessions', () => {
            this.ended.push({ home, account })
          }),
      },
      events: {
        publish: (type, payload, id) =>
          this.#call(`publish ${type}`, () => {
            if (!this.events.has(id)) this.events.set(id, { type, payload })
          }),
      },
      storedResult: (id) => this.#call('stored result', () => this.result(id)),
      random: nodeRandom,
    }
  }

  #accountsPort(): Accounts {
    const find = (key: string) =>
      [...this.accounts.values()].find(
        (account) => account.id === key || account.address === key || account.aliases.includes(key),
      ) ?? null
    return {
      account: (key) =>
        this.#call('account', () => {
          const found = find(key)
          if (found === null) return null
          const { secret: _secret, apps: _apps, ...account } = found
          return account
        }),
      addAccount: (account: NewAccount) =>
        this.#call('add', () => {
          const { secrets, ...rest } = account
          const existing = this.accounts.get(account.address)
          if (existing) return { kind: 'exists' as const, account: existing }
          const taken = [account.address, ...account.aliases].find((address) => find(address) !== null)
          if (taken !== undefined) return { kind: 'address-taken' as const, address: taken }
          const stored: StoredAccount = { ...rest, generation: 1, status: 'creating', deletion: null }
          this.accounts.set(account.address, { ...stored, secret: secrets.passwordHash, apps: [] })
          return { kind: 'added' as const, account: stored }
        }),
      updateAccount: (account, command, change) => this.#call('update', () => this.#update(account, command, change)),
      renameAccount: (account, command, to) => this.#call('rename', () => this.#rename(account, command, to)),
      eachAccount: (filter, take) =>
        this.#call('each account', () => {
          const all = [...this.accounts.values()]
          return take(all.filter(({ status }) => filter.status === undefined || status === filter.status))
        }).then(() => undefined),
      group: (address) =>
        this.#call(
          'group',
          () =>
            [...this.groups.values()].find((one) => one.address === address || one.aliases.includes(address)) ?? null,
        ),
      addGroup: (group) =>
        this.#call('add group', () => {
          const existing = this.groups.get(group.address)
          if (existing) return { kind: 'exists' as const, group: existing }
          if ([group.address, ...group.aliases].some((address) => find(address) !== null)) {
            return { kind: 'address-taken' as const }
          }
          this.groups.set(group.address, group)
          return { kind: 'added' as const }
        }),
      updateGroup: (group, command, change) =>
        this.#call('update group', () => {
          if (this.groups.get(group.address)?.lastCommand !== group.lastCommand) return false
          this.groups.set(group.address, { ...group, ...change, lastCommand: command })
          return true
        }),
      deleteGroup: (group) => this.#call('delete group', () => this.groups.delete(group.address)),
      replaceMember: (member, to) =>
        this.#call('replace member', () => {
          const having = [...this.groups.values()].filter(({ members }) => members.includes(member))
          for (const group of having) {
            const kept = group.members.filter((one) => one !== member && one !== to)
            this.groups.set(group.address, { ...group, members: [...kept, ...(to === null ? [] : [to])].sort() })
          }
          return having.map(({ address }) => address)
        }),
      setHome: (account, home, generation) =>
        this.#call('set home', () => {
          const stored = this.accounts.get(account.address)
          if (stored?.generation !== account.generation) return false
          this.accounts.set(account.address, { ...stored, home, generation })
          return true
        }),
      deleteAccount: (account) => this.#call('delete', () => this.accounts.delete(account.address)),
      appPasswords: (account) =>
        this.#call('app passwords', () => [...(this.accounts.get(account.address)?.apps ?? [])]),
      domain: (name) => this.#call('domain', () => this.domains.get(name) ?? null),
      domainsNaming: (address) =>
        this.#call('domains naming', () =>
          [...this.domains.values()]
            .filter(({ postmaster, catchAll }) => postmaster === address || catchAll === address)
            .map(({ name }) => name),
        ),
      ensureDomain: (domain) =>
        this.#call('ensure domain', () => {
          const same = JSON.stringify(this.domains.get(domain.name)) === JSON.stringify(domain)
          this.domains.set(domain.name, domain)
          return !same
        }),
      shards: () => this.#call('shards', () => this.shards),
      countAccounts: () =>
        this.#call('count', () => {
          const counts = new Map<ShardName, number>()
          for (const { home } of this.accounts.values()) counts.set(home, (counts.get(home) ?? 0) + 1)
          return counts
        }),
    }
  }

  #update(account: StoredAccount, command: string, change: AccountChange): boolean {
    const stored = this.accounts.get(account.address)
    if (!stored || stored.lastCommand !== account.lastCommand) return false
    const { secrets, addAppPassword, removeAppPassword, addAlias, removeAlias, ...plain } = change
    const secret = secrets?.passwordHash ?? stored.secret
    const kept = stored.apps.filter((name) => name !== removeAppPassword && name !== addAppPassword?.name)
    const apps = addAppPassword ? [...kept, addAppPassword.name] : kept
    if (addAlias !== undefined) this.#mustBeFree(addAlias, account)
    const aliases = new Set([...stored.aliases, ...(addAlias === undefined ? [] : [addAlias])])
    if (removeAlias !== undefined) aliases.delete(removeAlias)
    const changed = { ...plain, secret, apps, aliases: [...aliases].sort(), lastCommand: command }
    this.accounts.set(account.address, { ...stored, ...changed })
    return true
  }

  #rename(account: StoredAccount, command: string, to: string): boolean {
    const stored = this.accounts.get(account.address)
    if (!stored || stored.lastCommand !== account.lastCommand) return false
    this.#mustBeFree(to, account)
    const aliases = [...stored.aliases.filter((alias) => alias !== to), stored.address].sort()
    this.accounts.delete(account.address)
    this.accounts.set(to, { ...stored, address: to, aliases, lastCommand: command })
    return true
  }

  #mustBeFree(address: string, account: StoredAccount): void {
    const holds = (one: { address: string; aliases: readonly string[] }) =>
      one.address === address || one.aliases.includes(address)
    const other = [...this.accounts.values()].some((one) => one.id !== account.id && holds(one))
    if (other || [...this.groups.values()].some(holds))
      throw new DirectoryError('DIRECTORY_TAKEN', `${address} is taken`)
  }

  /** A move that was asked for `moveLooks` times is done, or ends as `moveEnds` says. */
  #move(home: ShardName, order: MoveOrder): MoveReply {
    if (order.kind === 'list' || order.kind === 'loads') return { kind: 'none' }
    const moved = [...this.owned].find(([shard, owned]) => shard !== home && owned.has(order.account))
    const owned = this.owned.get(home)?.get(order.account)
    if (owned === undefined)
      return moved ? { kind: 'elsewhere', home: moved[0] } : { kind: 'refused', message: 'unknown' }
    if (order.kind === 'cancel') return { kind: 'none' }
    const { account, target, move } = order
    const looks = (this.moveLooks.get(move) ?? 0) + 1
    this.moveLooks.set(move, looks)
    const phase = looks < this.looksOfMove ? 'copying' : this.moveEnds
    if (phase === 'done') {
      this.owned.get(home)?.delete(account)
      const there = this.owned.get(target) ?? new Map<AccountId, OwnedAccount>()
      this.owned.set(target, there.set(account, { ...owned, generation: owned.generation + 1 }))
    }
    const counts = { messages: 3, copiedMessages: looks, copiedBytes: 9, startedMs: 0, freezeMs: null }
    const generation = owned.generation + 1
    const reason = phase === 'failed' ? 'the target is full' : ''
    return {
      kind: 'under-way',
      progress: { account, move, source: home, target, phase, generation, ...counts, reason },
    }
  }

  #tell(home: ShardName, command: AccountCommand): void {
    const owned = this.owned.get(home) ?? new Map<AccountId, OwnedAccount>()
    this.owned.set(home, owned)
    const account = owned.get(command.account)
    if (command.kind === 'own') {
      if (!account) owned.set(command.account, { generation: 1, suspended: false, quotaBytes: command.quotaBytes })
    } else if (command.kind === 'delete') owned.delete(command.account)
    else if (!account) throw new Error(`${home} does not own ${command.account}`)
    else if (command.kind === 'admit') this.tickets.push(command.ticket)
    else if (command.kind === 'set-quota') owned.set(command.account, { ...account, quotaBytes: command.quotaBytes })
    else owned.set(command.account, { ...account, suspended: command.kind === 'suspend' })
  }
}
