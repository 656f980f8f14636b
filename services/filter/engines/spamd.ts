/**
 * SpamAssassin's daemon (spamd): the command SYMBOLS of its protocol 1.5. The answer's header says `Spam: True ; 15.0 / 5.0`, its body
 * names the rules that hit.
 */
import { FINDINGS_MAX, type Finding } from '#lib/filter/evidence.ts'
import type { Letter } from '../letter/letter.ts'
import { type Engine, EngineError } from '../scan/engine.ts'
import { ask, type EngineAddress } from './foreign.ts'

export class SpamdEngine implements Engine {
  readonly name: string
  readonly ofContent = false
  readonly concurrency: number
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly #address: EngineAddress

  constructor(options: {
    readonly name: string
    readonly address: EngineAddress
    readonly concurrency: number
    readonly bytesMax: number
    readonly timeoutMs: number
  }) {
    this.name = options.name
    this.#address = options.address
    this.concurrency = options.concurrency
    this.bytesMax = options.bytesMax
    this.timeoutMs = options.timeoutMs
  }

  async scan(letter: Letter, signal: AbortSignal): Promise<readonly Finding[]> {
    const question = [`SYMBOLS SPAMC/1.5\r\nContent-length: ${letter.bytes}\r\n\r\n`, ...letter.pieces]
    return readSpamdAnswer((await ask(this.#address, question, signal)).toString('latin1'))
  }
}

const SPAM = /^Spam: *(?:True|False|Yes|No) *; *(-?[0-9.]+) *\/ *(-?[0-9.]+) *$/im

/** @throws {EngineError} ENGINE_ANSWER */
export function readSpamdAnswer(answer: string): readonly Finding[] {
  const [head = '', body = ''] = answer.split('\r\n\r\n', 2)
  const match = SPAM.exec(head)
  const [score, threshold] = [Number(match?.[1]), Number(match?.[2])]
  if (!/^SPAMD\/\S+ 0 /.test(head) || !(threshold > 0) || Number.isNaN(score)) {
    throw new EngineError('ENGINE_ANSWER', `Cannot use the answer ${JSON.stringify(head.slice(0, 200))} of spamd`)
  }
  const rules = body
    .trim()
    .split(/[\s,]+/)
    .filter(Boolean)
    .slice(0, FINDINGS_MAX - 1)
  const weight = Math.max(0, score / threshold)
  return [{ kind: 'spam', name: 'score', weight }, ...rules.map((name): Finding => ({ kind: 'spam', name, weight: 0 }))]
}
