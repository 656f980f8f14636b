/**
 * Parsed structures of messages, so that a client that pages through a large letter part by part costs one scan. Least
 * recently used ones go first; a structure weighs as much as it has parts.
 */
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import type { MimePart } from '#lib/mime/mod.ts'
import type { MessageStructure } from './message-structure.ts'

export interface StructureCache {
  /** @param key Unique for the bytes: account id and EMAILID. */
  get(key: string): MessageStructure | undefined
  set(key: string, structure: MessageStructure): void
}

export class LruStructureCache implements StructureCache {
  readonly #kept: WeightedLru<string, MessageStructure>

  /** @param partsMax Parts of all kept structures together; each costs about 1 KiB. */
  constructor(partsMax: number) {
    this.#kept = new WeightedLru(partsMax)
  }

  get(key: string): MessageStructure | undefined {
    return this.#kept.get(key)
  }

  set(key: string, structure: MessageStructure): void {
    const parts = countParts(structure)
    // One monster must not push out everything else.
    if (parts > this.#kept.weightMax / 4) this.#kept.take(key)
    else this.#kept.set(key, structure, parts)
  }
}

function countParts(structure: MessageStructure): number {
  const waiting: MimePart[] = [structure.root]
  let count = 0
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    count++
    if (part.kind === 'multipart') waiting.push(...part.parts)
    else if (part.kind === 'message') waiting.push(part.message.root)
  }
  return count
}
