/** From bytes of a letter that a user has sorted to experience. */
import { createHash } from 'node:crypto'
import { Headers, parseMessage } from '#lib/mime/mod.ts'
import type { BayesMemory, LetterKind } from '../bayes/memory.ts'
import { tokensOf } from '../bayes/tokens.ts'
import { viewOf } from '../bayes/view.ts'
import { ownerOf } from '../engines/bayes.ts'
import { Letter } from '../letter/letter.ts'

export interface Lesson {
  readonly kind: LetterKind
  /** Address of the one who sorted it; empty: nobody in particular. */
  readonly owner: string
  /** As it was received, or its beginning. */
  readonly letter: Buffer
}

const NOBODY = { clientAddress: null, helo: null, sender: '', recipients: [], user: null, traceId: null }

/** @returns false: it is known already. */
export function learn(memory: BayesMemory, { kind, owner, letter }: Lesson): boolean {
  const { root } = parseMessage(letter)
  const headers = new Headers(letter.subarray(root.headerStart, root.headerEnd))
  const fields = headers.fields.map((field) => ({ name: field.name, value: headers.value(field) }))
  const tokens = tokensOf(viewOf(new Letter(NOBODY, fields, [letter])))
  const digest = createHash('sha256').update(letter).digest('base64url')
  return memory.learn(tokens, kind, digest, owner === '' ? '' : ownerOf(owner))
}
