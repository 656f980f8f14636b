/**
 * Signatures of our own: bytes that must not be in a letter, its attachments, or what these hold. For what no engine knows yet, and for
 * tests: the test file of EICAR, which every scanner calls a virus, is always there.
 */
import type { Finding } from '#lib/filter/evidence.ts'
import type { Letter } from '../letter/letter.ts'
import type { Engine } from '../scan/engine.ts'

export interface Signature {
  readonly name: string
  readonly pattern: Buffer
}

/** https://www.eicar.org: 68 characters that do nothing. Written in two parts, so that scanners leave this file alone. */
export const EICAR: Signature = {
  name: 'Eicar-Test-Signature',
  pattern: Buffer.from(['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('')),
}

export class SignatureEngine implements Engine {
  readonly name: string
  readonly ofContent = true
  readonly concurrency = Number.POSITIVE_INFINITY
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly #signatures: readonly Signature[]

  constructor(options: {
    readonly name: string
    readonly bytesMax: number
    readonly timeoutMs: number
    readonly signatures: readonly Signature[]
  }) {
    this.name = options.name
    this.bytesMax = options.bytesMax
    this.timeoutMs = options.timeoutMs
    this.#signatures = options.signatures
  }

  async scan(letter: Letter): Promise<readonly Finding[]> {
    const { files } = await letter.archives
    const attached = letter.attachments.flatMap(({ content }) => content ?? [])
    const looked = [letter.whole, ...attached, ...files.map(({ content }) => content)]
    return this.#signatures
      .filter(({ pattern }) => looked.some((bytes) => bytes.includes(pattern)))
      .map(({ name }) => ({ kind: 'virus', name, weight: 1 }))
  }
}
