/**
 * ClamAV's daemon over TCP or a unix socket: the command zINSTREAM, then the letter in chunks with a length each, then a length of 0
 * (clamd(8)). Answers: `stream: OK`, `stream: NAME FOUND`, `... ERROR`. clamd opens attachments and archives itself.
 */
import type { Finding } from '#lib/filter/evidence.ts'
import type { Letter } from '../letter/letter.ts'
import { type Engine, EngineError } from '../scan/engine.ts'
import { ask, type EngineAddress } from './foreign.ts'

export class ClamdEngine implements Engine {
  readonly name: string
  readonly ofContent = true
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
    return readClamdAnswer((await ask(this.#address, clamdQuestion(letter.pieces), signal)).toString('utf8'))
  }
}

export function* clamdQuestion(pieces: readonly Buffer[]): Generator<Buffer | string> {
  yield 'zINSTREAM\0'
  for (const piece of pieces) {
    if (piece.length === 0) continue // a length of 0 ends the stream
    yield length(piece.length)
    yield piece
  }
  yield length(0)
}

/** @throws {EngineError} ENGINE_ANSWER */
export function readClamdAnswer(answer: string): readonly Finding[] {
  const text = answer.replace(/[\0\n]+$/, '')
  if (text === 'stream: OK') return []
  const name = /^stream: (.+) FOUND$/.exec(text)?.[1]
  if (name === undefined)
    throw new EngineError('ENGINE_ANSWER', `Cannot use the answer ${JSON.stringify(text.slice(0, 200))} of clamd`)
  return [{ kind: 'virus', name, weight: 1 }]
}

function length(bytes: number): Buffer {
  const head = Buffer.allocUnsafe(4)
  head.writeUInt32BE(bytes, 0)
  return head
}
