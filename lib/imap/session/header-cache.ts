/**
 * Parsed headers of messages, shared by all sessions of a process: a list, a search, a sort and a thread of one mailbox ask the same
 * of the same letters, again at each visit. Least recently used ones go first.
 */
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
  readonly #entries = new Map<string, { readonly known: KnownHeader; readonly bytes: number }>()
  readonly #bytesMax: number
  #bytes = 0

  /** @param bytesMax About how much memory all of it takes. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(key: string): KnownHeader | undefined {
    const found = this.#entries.get(key)
    if (found === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, found)
    return found.known
  }

  set(key: string, headers: Headers): KnownHeader {
    const known: KnownHeader = { headers, envelope: null }
    const bytes = 3 * headers.bytes.length + FIELD_BYTES * headers.fields.length
    if (bytes > this.#bytesMax / 64) return known // one monster must not push out everything else
    this.#bytes += bytes - (this.#entries.get(key)?.bytes ?? 0)
    this.#entries.set(key, { known, bytes })
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#bytesMax) break
      this.#entries.delete(oldest)
      this.#bytes -= entry.bytes
    }
    return known
  }
}
