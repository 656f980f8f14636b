/**
 * Parsed headers of messages, shared by all sessions of a process: a list, a search, a sort and a thread of one mailbox ask the same
 * of the same letters, again at each visit. Least recently used ones go first.
 */
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import type { Headers } from '#lib/mime/mod.ts'

export interface KnownHeader {
  readonly headers: Headers
  /** The ENVELOPE as it is sent, once somebody asked. */
  envelope: string | null
}

export interface HeaderCache {
  /** @param key Unique for the bytes: account id and EMAILID. */
  get(key: string): KnownHeader | undefined
  /** @param headers Its bytes must be its own, not a view of something larger. @returns What is kept, or would be. */
  set(key: string, headers: Headers): KnownHeader
}

/** Of a parsed header beside its bytes, which it holds twice. */
const FIELD_BYTES = 120

export class LruHeaderCache implements HeaderCache {
  readonly #kept: WeightedLru<string, KnownHeader>

  /** @param bytesMax About how much memory all of it takes. */
  constructor(bytesMax: number) {
    this.#kept = new WeightedLru(bytesMax)
  }

  get(key: string): KnownHeader | undefined {
    return this.#kept.get(key)
  }

  set(key: string, headers: Headers): KnownHeader {
    const known: KnownHeader = { headers, envelope: null }
    const bytes = 3 * headers.bytes.length + FIELD_BYTES * headers.fields.length
    // One monster must not push out everything else.
    if (bytes <= this.#kept.weightMax / 64) this.#kept.set(key, known, bytes)
    return known
  }
}
