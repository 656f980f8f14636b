/** Sessions that want to hear of everything in an account, not of one mailbox alone (NOTIFY). Few do: for the others a batch costs one look. */
import type { AccountChange } from '#lib/imap/store.ts'
import type { AccountId } from '#lib/mail/types.ts'
import type { CommittedRecord } from '../index/port.ts'
import { RecordType } from '../records/types.ts'

type Watcher = (change: AccountChange) => void

const CHANGED: AccountChange = { kind: 'changed' }

export class AccountWatchers {
  readonly #watchers = new Map<AccountId, Set<Watcher>>()

  /** @returns The end of it, safe to call again. */
  watch(account: AccountId, watcher: Watcher): () => void {
    const watchers = this.#watchers.get(account) ?? new Set()
    this.#watchers.set(account, watchers)
    // One function of ours per call: two sessions may pass the same.
    const own: Watcher = (change) => watcher(change)
    watchers.add(own)
    return () => {
      watchers.delete(own)
      if (watchers.size === 0 && this.#watchers.get(account) === watchers) this.#watchers.delete(account)
    }
  }

  /** After `records` are applied and memory shows them. Annotations are named, all else is one word for each account. */
  tell(records: readonly CommittedRecord[]): void {
    if (this.#watchers.size === 0) return
    const changed = new Set<AccountId>()
    for (const { record } of records) {
      if (!('account' in record) || record.account === null) continue
      const watchers = this.#watchers.get(record.account)
      if (watchers === undefined) continue
      changed.add(record.account)
      if (record.type !== RecordType.mailboxMetadata) continue
      const names = record.entries.map(({ name }) => name)
      for (const watcher of watchers) watcher({ kind: 'metadata', mailbox: record.mailbox, names })
    }
    for (const account of changed) for (const watcher of this.#watchers.get(account) ?? []) watcher(CHANGED)
  }
}
