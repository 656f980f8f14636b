/** Marks of phishing, by rules of our own: names that deceive, domains that look like others, links that lead elsewhere. */
import type { Finding } from '#lib/filter/evidence.ts'
import type { Letter } from '../letter/letter.ts'
import { phishingMarks } from '../phishing/marks.ts'
import type { Engine } from '../scan/engine.ts'

export class PhishingEngine implements Engine {
  readonly name: string
  /** Whose domains are protected depends on who is to get the letter. */
  readonly ofContent = false
  readonly concurrency: number
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly #protect: readonly string[]

  constructor(options: {
    readonly name: string
    readonly concurrency: number
    readonly bytesMax: number
    readonly timeoutMs: number
    /** Domains that no other may look like, beside the recipients' own. */
    readonly protect: readonly string[]
  }) {
    this.name = options.name
    this.concurrency = options.concurrency
    this.bytesMax = options.bytesMax
    this.timeoutMs = options.timeoutMs
    this.#protect = options.protect
  }

  async scan({ fields, texts, context }: Letter): Promise<readonly Finding[]> {
    const from = fields.filter(({ name }) => name.toLowerCase() === 'from').map(({ value }) => value)
    const own = context.recipients.map((address) => address.slice(address.lastIndexOf('@') + 1).toLowerCase())
    const known = [...new Set([...this.#protect, ...own])]
    return phishingMarks({ from, texts, known }).map(({ name, weight }) => ({ kind: 'phishing', name, weight }))
  }
}
