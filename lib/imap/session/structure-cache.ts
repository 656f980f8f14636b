/**
 * Parsed structures of messages, so that a client that pages through a large letter part by part costs one scan. Least
 * recently used ones go first; a structure weighs as much as it has parts.
 */
import type { MimePart } from '#lib/mime/mod.ts'
import type { MessageStructure } from './message-structure.ts'

export interface StructureCache {
  /** @param key Unique for the bytes: account id and EMAILID. */
  get(key: string): MessageStructure | undefined
  set(key: string, structure: MessageStructure): void
}

export class LruStructureCache implements StructureCache {
  readonly #entries = new Map<string, { readonly structure: MessageStructure; readonly weight: number }>()
  readonly #partsMax: number
  #parts = 0

  /** @param partsMax Parts of all kept structures together; each costs about 1 KiB. */
  constructor(partsMax: number) {
    this.#partsMax = partsMax
  }

  get(key: string): MessageStructure | undefined {
    const found = this.#entries.get(key)
    if (found === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, found)
    return found.structure
  }

  set(key: string, structure: MessageStructure): void {
    this.#drop(key)
    const weight = countParts(structure)
    if (weight > this.#partsMax / 4) return // one monster must not push out everything else
    this.#entries.set(key, { structure, weight })
    this.#parts += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#parts <= this.#partsMax) break
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    const found = this.#entries.get(key)
    if (found === undefined) return
    this.#entries.delete(key)
    this.#parts -= found.weight
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
