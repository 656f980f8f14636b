/**
 * THREADID (RFC 8474 section 5.2): which conversation a letter belongs to. It is worked out of the letter alone, so it never changes,
 * every copy has the same, no letter waits for another, and nothing is stored: the oldest ancestor that the letter names, or the letter
 * itself. Mail programs put the oldest first in References and keep it there when they shorten the rest; an answer that names its parent
 * only by In-Reply-To begins a thread of its own with it.
 */
import { createHash } from 'node:crypto'
import type { Headers } from '#lib/mime/mod.ts'
import { ancestors, messageId } from './message-ids.ts'

/** Of 64 letters each: as good as unique. */
const ID_CHARS = 22

/** @param emailId Stands for a letter that names nothing, not even itself. */
export function threadId(headers: Headers, emailId: string): string {
  const root = ancestors(headers)[0] ?? messageId(headers)
  // A name of ours cannot be mistaken for one of a letter: those have an @.
  const name = root === '' ? emailId : root
  return `T${createHash('sha256').update(name).digest('base64url').slice(0, ID_CHARS)}`
}
