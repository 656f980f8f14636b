/** Parsed headers of messages. */
import type { Headers } from '#lib/mime/mod.ts'
import { type LetterCache, LruLetterCache } from './letter-cache.ts'

export interface KnownHeader {
  /** Its bytes must be its own, not a view of something larger. */
  readonly headers: Headers
  /** The ENVELOPE as it is sent, once somebody asked. */
  envelope: string | null
  /** The THREADID, likewise. */
  threadId: string | null
}

export type HeaderCache = LetterCache<KnownHeader>

/** Of a parsed header beside its bytes, which it holds twice. */
const FIELD_BYTES = 120

export class LruHeaderCache extends LruLetterCache<KnownHeader> {
  /** @param bytesMax About how much memory all of it takes. */
  constructor(bytesMax: number) {
    super({ weightMax: bytesMax, weigh: headerBytes, heaviestPart: 64 })
  }
}

function headerBytes({ headers }: KnownHeader): number {
  return 3 * headers.bytes.length + FIELD_BYTES * headers.fields.length
}
