/** What users have called junk: a verdict from the nearest experience that is large enough, or none. */
import type { Finding } from '#lib/filter/evidence.ts'
import type { BayesMemory } from '../bayes/memory.ts'
import { tokensOf } from '../bayes/tokens.ts'
import { viewOf } from '../bayes/view.ts'
import { weightOf } from '../bayes/weight.ts'
import type { Letter } from '../letter/letter.ts'
import type { Engine } from '../scan/engine.ts'

/** Surely no junk: said so that it can be read later. */
const SURELY_OTHER = 0.05

export class BayesEngine implements Engine {
  readonly name: string
  /** What is known grows, and depends on who is to get the letter. */
  readonly ofContent = false
  readonly concurrency: number
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly #memory: BayesMemory

  constructor(
    options: {
      readonly name: string
      readonly concurrency: number
      readonly bytesMax: number
      readonly timeoutMs: number
    },
    memory: BayesMemory,
  ) {
    this.name = options.name
    this.concurrency = options.concurrency
    this.bytesMax = options.bytesMax
    this.timeoutMs = options.timeoutMs
    this.#memory = memory
  }

  async scan(letter: Letter): Promise<readonly Finding[]> {
    const recipients = letter.context.recipients.map((address) => ownerOf(address))
    const verdict = this.#memory.judge(tokensOf(viewOf(letter)), recipients)
    if (verdict === null) return []
    const { probability, scope } = verdict
    const weight = weightOf(probability)
    const name = `${scope} ${probability.toFixed(2)}`
    if (weight > 0) return [{ kind: 'spam', name, weight }]
    return probability <= SURELY_OTHER ? [{ kind: 'ham', name, weight: 1 - probability }] : []
  }
}

/** In whose name a letter to an address is learned: in lower case, without the detail behind `+`. */
export function ownerOf(address: string): string {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at).toLowerCase()
  const plus = local.indexOf('+')
  return `${plus > 0 ? local.slice(0, plus) : local}@${address.slice(at + 1).toLowerCase()}`
}
