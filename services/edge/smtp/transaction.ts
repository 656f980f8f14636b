/** One mail transaction: what MAIL and RCPT have settled before DATA. */
import type { AccountId, ShardName } from '#lib/mail/types.ts'
import type { MailParameters, RecipientDsn } from '#lib/smtp/mod.ts'
import type { Recipient } from './recipients.ts'

/** Where letters come from; also the label of metrics. */
export type Source = 'smtp' | 'lmtp' | 'submission'

/** A recipient whose letter goes through the queue: elsewhere, or here with a report of the delivery. */
export interface QueuedAddress {
  readonly address: string
  readonly dsn: RecipientDsn
}

export class Transaction {
  /** Empty: the null path. */
  readonly reversePath: string
  /** RFC 1870 SIZE; 0 if not given. */
  readonly sizeBytes: number
  /** What MAIL said beyond the path. */
  readonly mail: MailParameters
  readonly #queued = new Map<string, QueuedAddress>()
  readonly #recipients: Recipient[] = []
  /** For each accepted RCPT its places in `recipients`: two addresses of one account are one delivery, a group is many. */
  readonly #places: (readonly number[])[] = []
  readonly #byAccount = new Map<AccountId, number>()

  constructor(reversePath: string, mail: MailParameters) {
    this.reversePath = reversePath
    this.sizeBytes = mail.sizeBytes
    this.mail = mail
  }

  /** Each address once; its domain is in lower case. */
  get queued(): readonly QueuedAddress[] {
    return [...this.#queued.values()]
  }

  addQueued(recipient: QueuedAddress): void {
    this.#queued.set(recipient.address, recipient)
  }

  /** Each account once. */
  get recipients(): readonly Recipient[] {
    return this.#recipients
  }

  /** One entry for each accepted RCPT, in order: RFC 2033 section 4.2 wants one reply each, repeated ones included. */
  get places(): readonly (readonly number[])[] {
    return this.#places
  }

  /** The shard of the recipients so far, where all have the same. */
  get shard(): ShardName | null {
    return this.#recipients[0]?.shard ?? null
  }

  /** What one RCPT has accepted: an account, or all of a group. */
  add(...recipients: readonly Recipient[]): void {
    const places = recipients.map((recipient) => {
      const known = this.#byAccount.get(recipient.account)
      const place = known ?? this.#recipients.push(recipient) - 1
      this.#byAccount.set(recipient.account, place)
      return place
    })
    this.#places.push([...new Set(places)])
  }
}
