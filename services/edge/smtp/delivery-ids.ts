/**
 * Delivery ids (replication.md rule 7): made per transaction and recipient, the same on every try. Where a client is
 * answered 451 although some of its recipients have the letter, or may have it, the ids are kept, so that the client's
 * repetition at this edge finds them and the shards recognise what they have. Other edges and a restarted one do not know
 * them; then the shard's own memory of letters has to do.
 * A body is hashed only when something of its sender and length is kept: for nearly every letter nothing is.
 */
import { createHash } from 'node:crypto'
import { DELIVERY_ID_BYTES } from '#lib/frames/shard-protocol.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { DELIVERY_IDS_MEMORY_MS, LETTERS_KEPT_MAX } from '../limits.ts'

/** What makes a repetition the same letter: who sends (account or reverse path) and the bytes as received. */
export interface LetterIdentity {
  readonly sender: string
  readonly body: readonly Uint8Array[]
}

interface Kept {
  readonly untilMs: number
  /** Ids by digest and account. */
  readonly ids: Map<string, Uint8Array>
}

export class DeliveryIds {
  readonly #clock: Clock
  readonly #random: Random
  /** By sender and length of the letter; in order of keeping. */
  readonly #kept = new Map<string, Kept>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  /** Ids for `keys` (accounts, or what is queued), in order: kept ones where this letter was tried before, else new ones. */
  idsFor(letter: LetterIdentity, keys: readonly string[]): Uint8Array[] {
    const kept = this.#kept.size === 0 ? undefined : this.#kept.get(roughly(letter))
    if (!kept || kept.untilMs <= this.#clock.monotonicMs()) return keys.map(() => this.newId())
    const digest = digestOf(letter)
    return keys.map((one) => kept.ids.get(digest + one) ?? this.newId())
  }

  newId(): Uint8Array {
    return Uint8Array.from(this.#random.bytes(DELIVERY_ID_BYTES))
  }

  /** The client was told to try again. */
  keep(letter: LetterIdentity, keys: readonly string[], ids: readonly Uint8Array[]): void {
    const key = roughly(letter)
    const digest = digestOf(letter)
    const all = this.#kept.get(key)?.ids ?? new Map<string, Uint8Array>()
    keys.forEach((one, i) => {
      const id = ids[i]
      if (id) all.set(digest + one, id)
    })
    this.#kept.delete(key) // so that the map stays in order of keeping
    this.#kept.set(key, { untilMs: this.#clock.monotonicMs() + DELIVERY_IDS_MEMORY_MS, ids: all })
    for (const [oldest] of this.#kept) {
      if (this.#kept.size <= LETTERS_KEPT_MAX) break
      this.#kept.delete(oldest)
    }
  }
}

function roughly({ sender, body }: LetterIdentity): string {
  return `${body.reduce((sum, piece) => sum + piece.byteLength, 0)} ${sender}`
}

function digestOf({ body }: LetterIdentity): string {
  const hash = createHash('sha256')
  for (const piece of body) hash.update(piece)
  return hash.digest('base64')
}
