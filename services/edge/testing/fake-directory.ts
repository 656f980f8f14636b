/** A directory in memory. */
import type {
  AddressLookup,
  Directory,
  DirectoryAccount,
  DirectoryGroup,
  GroupSenders,
  PasswordVerdict,
  Scope,
  ScramRecord,
} from '#lib/directory/port.ts'
import { CodedError } from '#lib/errors/coded-error.ts'
import type { AccountWishes } from '#lib/filter/settings.ts'
import { toAccountId, toShardName } from '#lib/mail/types.ts'
import { deriveScramKeys, fakeScramKeys } from '#lib/sasl/scram.ts'

export interface FakeAccount {
  readonly address: string
  readonly home: string
  readonly password?: string
  readonly aliases?: readonly string[]
  readonly status?: DirectoryAccount['status']
  readonly wishes?: AccountWishes
}

export class FakeDirectory implements Directory {
  readonly #accounts = new Map<string, { readonly account: DirectoryAccount; readonly password: string }>()
  readonly #domains = new Set<string>()
  readonly #groups = new Map<string, DirectoryGroup>()
  /** Every question rejects while true. */
  down = false
  /** What `forget` was called with. */
  readonly forgotten: (string | null)[] = []
  /** Names that a password was asked for. */
  readonly logins: string[] = []

  add(fake: FakeAccount): DirectoryAccount {
    const account: DirectoryAccount = {
      id: fakeAccountId(fake.address),
      address: fake.address,
      aliases: fake.aliases ?? [],
      displayName: fake.address,
      home: toShardName(fake.home),
      generation: 1,
      status: fake.status ?? 'active',
      quotaBytes: null,
      ...(fake.wishes && { wishes: fake.wishes }),
    }
    for (const address of [fake.address, ...account.aliases]) {
      this.#accounts.set(address, { account, password: fake.password ?? 'secret' })
      this.#domains.add(address.slice(address.indexOf('@') + 1))
    }
    return account
  }

  addGroup(address: string, members: readonly string[], senders: GroupSenders = 'anyone'): void {
    this.#groups.set(address, { address, aliases: [], displayName: address, senders, members })
    this.#domains.add(address.slice(address.indexOf('@') + 1))
  }

  async lookup(address: string): Promise<AddressLookup> {
    this.#check()
    const group = this.#groups.get(address.toLowerCase())
    if (group) return { kind: 'group', group }
    const [local = '', domain = ''] = address.toLowerCase().split('@')
    const plus = local.indexOf('+')
    const found = this.#accounts.get(`${plus === -1 ? local : local.slice(0, plus)}@${domain}`)
    if (found) return { kind: 'account', account: found.account, detail: plus === -1 ? null : local.slice(plus + 1) }
    return { kind: this.#domains.has(domain) ? 'unknown-address' : 'foreign-domain' }
  }

  async checkPassword(login: string, password: string, _scope: Scope): Promise<PasswordVerdict> {
    this.#check()
    this.logins.push(login)
    const found = this.#accounts.get(login.toLowerCase())
    if (!found || found.password !== password) return { kind: 'denied' }
    if (found.account.status === 'suspended') return { kind: 'suspended', account: found.account }
    return { kind: 'ok', account: found.account, secret: 'password' }
  }

  async scramKeys(login: string): Promise<ScramRecord> {
    this.#check()
    this.logins.push(login)
    const found = this.#accounts.get(login.toLowerCase())
    if (!found) return { account: null, keys: fakeScramKeys(login, Buffer.alloc(32)) }
    return { account: found.account, keys: await deriveScramKeys(found.password, Buffer.alloc(16, 7), 4096) }
  }

  async domain(name: string) {
    this.#check()
    return this.#domains.has(name) ? { name, active: true, catchAll: null } : null
  }

  forget(addressOrId: string | null): void {
    this.forgotten.push(addressOrId)
  }

  #check(): void {
    if (this.down) throw new CodedError('DIRECTORY_UNAVAILABLE', 'Cannot reach the directory')
  }
}

/** `anna@example.test` is `anna` filled up: readable in failures. */
export function fakeAccountId(address: string) {
  const letters = address
    .toLowerCase()
    .replace(/@.*/, '')
    .replace(/[^a-z]/g, '')
  return toAccountId(letters.slice(0, 16).padEnd(16, 'a'))
}
