/** Sessions that want to hear of everything in an account, not of one mailbox alone (NOTIFY). Few do: for the others a batch costs one look. */
import type { AccountChange } from '#lib/imap/store.ts'
import type { AccountId } from '#lib/mail/types.ts'
import type { CommittedRecord } from '../index/port.ts'
import { RecordType } from '../records/types.ts'

type Watcher = (change: AccountChange) => void

const CHANGED: AccountChange = { kind: 'changed' }

/** Who is called, by what they wait for. */
class Watchers<Key, Watcher> {
  readonly #byKey = new Map<Key, Set<Watcher>>()

  get none(): boolean {
    return this.#byKey.size === 0
  }

  of(key: Key): Iterable<Watcher> {
    return this.#byKey.get(key) ?? []
  }

  add(key: Key, watcher: Watcher): () => void {
    const watchers = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, watchers)
    watchers.add(watcher)
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#byKey.get(key) === watchers) this.#byKey.delete(key)
    }
  }
}

export class AccountWatchers {
  readonly #accounts = new Watchers<AccountId, Watcher>()
  /** By the name of the grant. */
  readonly #grants = new Watchers<string, () => void>()

  /** @returns The end of it, safe to call again. */
  watch(account: AccountId, watcher: Watcher): () => void {
    // One function of ours per call: two sessions may pass the same.
    return this.#accounts.add(account, (change) => watcher(change))
  }

  /** @param names Of grants (`grants.ts`). @returns The end of it, safe to call again */
  watchGrants(names: readonly string[], watcher: () => void): () => void {
    const own = () => watcher()
    const ends = names.map((name) => this.#grants.add(name, own))
    return () => {
      for (const end of ends) end()
    }
  }

  /** After `records` are applied and memory shows them. Annotations are named, all else is one word for each account. */
  tell(records: readonly CommittedRecord[]): void {
    if (this.#accounts.none && this.#grants.none) return
    const changed = new Set<AccountId>()
    const granted = new Set<() => void>()
    for (const { record } of records) {
      if (!('account' in record) || record.account === null) continue
      changed.add(record.account)
      if (record.type !== RecordType.mailboxMetadata) continue
      const names = record.entries.map(({ name }) => name)
      for (const watcher of this.#accounts.of(record.account)) {
        watcher({ kind: 'metadata', mailbox: record.mailbox, names })
      }
      for (const name of names) for (const watcher of this.#grants.of(name)) granted.add(watcher)
    }
    for (const watcher of granted) watcher()
    for (const account of changed) for (const watcher of this.#accounts.of(account)) watcher(CHANGED)
  }
}
