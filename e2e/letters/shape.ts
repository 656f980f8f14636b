/** What the list of letters is made of. */
import type { Chance } from './generate.ts'

/** One kind of letter: a name, unique among all, and what makes its bytes from chance seeded by that name. */
export interface Shape {
  readonly name: string
  readonly make: (name: string, chance: Chance) => Buffer
}
