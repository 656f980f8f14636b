/**
 * Delivery ids (replication.md rule 7): made per transaction and recipient, the same on every try. Where a client is
 * answered 451 although some of its recipients have the letter, or may have it, the ids are kept, so that the client's
 * repetition at this edge finds them and the shards recognise what they have. Other edges and a restarted one do not know
 * them; then the shard's own memory of letters has to do.
 */
import { createHash } from 'node:crypto'
import { DELIVERY_ID_BYTES } from '#lib/frames/shard-protocol.ts'
import type { AccountId } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { DELIVERY_IDS_MAX, DELIVERY_IDS_MEMORY_MS } from '../limits.ts'

/** What makes a repetition the same letter: who sends (account or reverse path) and the bytes. */
export interface LetterIdentity {
  readonly sender: string
  readonly body: readonly Uint8Array[]
}

export class DeliveryIds {
  readonly #clock: Clock
  readonly #random: Random
  readonly #kept = new Map<string, { readonly id: Uint8Array; readonly untilMs: number }>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  /** Ids for `accounts`, in order: kept ones where this letter was tried before, else new ones. */
  idsFor(letter: LetterIdentity, accounts: readonly AccountId[]): Uint8Array[] {
    if (this.#kept.size === 0) return accounts.map(() => this.newId()) // no hash of every body for what is rare
    const digest = digestOf(letter)
    const nowMs = this.#clock.monotonicMs()
    return accounts.map((account) => {
      const kept = this.#kept.get(`${digest}${account}`)
      return kept && kept.untilMs > nowMs ? kept.id : this.newId()
    })
  }

  newId(): Uint8Array {
    return Uint8Array.from(this.#random.bytes(DELIVERY_ID_BYTES))
  }

  /** The client was told to try again. */
  keep(letter: LetterIdentity, accounts: readonly AccountId[], ids: readonly Uint8Array[]): void {
    const digest = digestOf(letter)
    const untilMs = this.#clock.monotonicMs() + DELIVERY_IDS_MEMORY_MS
    accounts.forEach((account, i) => {
      const id = ids[i]
      if (id) this.#kept.set(`${digest}${account}`, { id, untilMs })
    })
    for (const [oldest, { untilMs: end }] of this.#kept) {
      if (this.#kept.size <= DELIVERY_IDS_MAX && end > this.#clock.monotonicMs()) break
      this.#kept.delete(oldest)
    }
  }
}

function digestOf(letter: LetterIdentity): string {
  const hash = createHash('sha256').update(letter.sender).update('\0')
  for (const piece of letter.body) hash.update(piece)
  return hash.digest('base64')
}
