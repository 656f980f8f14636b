/**
 * The hundred letters that must come back byte for byte, over every protocol and after a restart. Made at the moment they
 * are asked for, one after another, from the seed in their name: the largest has 35 MB, so do not collect them.
 * Every letter has CRLF line ends only, lines of at most 998 octets, no NUL, and ends with CRLF, because SMTP always ends so.
 */
import { Chance } from './generate.ts'
import type { Shape } from './shape.ts'
import { brokenShapes } from './shapes/broken.ts'
import { charsetShapes } from './shapes/charsets.ts'
import { multipartShapes } from './shapes/multiparts.ts'
import { plainShapes } from './shapes/plain.ts'

export interface Letter {
  /** Kebab-case, unique; what a failing test prints. */
  readonly name: string
  readonly bytes: Buffer
}

export const shapes: readonly Shape[] = [...plainShapes, ...charsetShapes, ...multipartShapes, ...brokenShapes]

export function* letters(): Iterable<Letter> {
  for (const { name, make } of shapes) yield { name, bytes: make(name, new Chance(name)) }
}
