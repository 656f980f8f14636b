/**
 * Parsed structures of messages, so that a client that pages through a large letter part by part costs one scan. A structure weighs as
 * much as it has parts.
 */
import type { MimePart } from '#lib/mime/mod.ts'
import { type LetterCache, LruLetterCache } from './letter-cache.ts'
import type { MessageStructure } from './message-structure.ts'

export type StructureCache = LetterCache<MessageStructure>

export class LruStructureCache extends LruLetterCache<MessageStructure> {
  /** @param partsMax Parts of all kept structures together; each costs about 1 KiB. */
  constructor(partsMax: number) {
    super({ weightMax: partsMax, weigh: countParts, heaviestPart: 4 })
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
