/**
 * rspamd over HTTP: POST /checkv2 to its normal worker, the envelope in headers, JSON back. Its score against its threshold for
 * `add header` becomes the weight; the symbols that weigh most become names.
 */
import { request } from 'undici'
import { z } from 'zod'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { FINDINGS_MAX, type Finding } from '#lib/filter/evidence.ts'
import type { Letter } from '../letter/letter.ts'
import { ENGINE_ANSWER_BYTES_MAX } from '../limits.ts'
import { type Engine, EngineError } from '../scan/engine.ts'

/** Thresholds that rspamd is given with; a letter is junk at the lower one. */
const Answer = z.object({
  score: z.number(),
  thresholds: z.record(z.string(), z.number().nullable()).default({}),
  symbols: z.record(z.string(), z.object({ score: z.number().default(0) })).default({}),
})
/** rspamd's own default for `add header`. */
const SPAM_SCORE = 6

export class RspamdEngine implements Engine {
  readonly name: string
  readonly ofContent = false
  readonly concurrency: number
  readonly bytesMax: number
  readonly timeoutMs: number
  readonly #url: string

  /** @param options.url As http://rspamd.mail.svc:11333. */
  constructor(options: {
    readonly name: string
    readonly url: string
    readonly concurrency: number
    readonly bytesMax: number
    readonly timeoutMs: number
  }) {
    this.name = options.name
    this.#url = options.url
    this.concurrency = options.concurrency
    this.bytesMax = options.bytesMax
    this.timeoutMs = options.timeoutMs
  }

  async scan(letter: Letter, signal: AbortSignal): Promise<readonly Finding[]> {
    try {
      const { statusCode, body } = await request(new URL('/checkv2', this.#url), {
        method: 'POST',
        headers: rspamdHeaders(letter),
        body: letter.whole,
        signal,
      })
      const text = await bounded(body)
      if (statusCode !== 200) {
        throw new EngineError('ENGINE_ANSWER', `Cannot use the answer ${statusCode} of rspamd: ${text.slice(0, 200)}`)
      }
      return readRspamdAnswer(text)
    } catch (error) {
      if (error instanceof EngineError) throw error
      throw new EngineError('ENGINE_UNREACHABLE', `Cannot ask rspamd at ${this.#url}: ${errorMessage(error)}`, {
        cause: error,
      })
    }
  }
}

/** As rspamd names the envelope; what is not known is left out. */
export function rspamdHeaders({ context }: Letter): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { From: headerSafe(context.sender) }
  if (context.recipients.length > 0) headers['Rcpt'] = context.recipients.map(headerSafe)
  if (context.clientAddress !== null) headers['IP'] = headerSafe(context.clientAddress)
  if (context.helo !== null) headers['Helo'] = headerSafe(context.helo)
  if (context.user !== null) headers['User'] = headerSafe(context.user)
  if (context.traceId !== null) headers['Queue-Id'] = headerSafe(context.traceId)
  return headers
}

const headerSafe = (text: string) => text.replace(/[^\x20-\x7e\x80-\xff]/g, '?')

/** @throws {EngineError} ENGINE_ANSWER */
export function readRspamdAnswer(text: string): readonly Finding[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new EngineError('ENGINE_ANSWER', 'Cannot use the answer of rspamd: it is not JSON', { cause })
  }
  const answer = Answer.safeParse(json)
  if (!answer.success)
    throw new EngineError('ENGINE_ANSWER', `Cannot use the answer of rspamd: ${z.prettifyError(answer.error)}`)
  const { score, thresholds, symbols } = answer.data
  const threshold = thresholds['add header'] ?? SPAM_SCORE
  const named = Object.entries(symbols)
    .filter(([, symbol]) => symbol.score > 0)
    .sort(([, a], [, b]) => b.score - a.score)
    .slice(0, FINDINGS_MAX - 1)
  return [
    { kind: 'spam', name: 'score', weight: Math.max(0, score / threshold) },
    ...named.map(([name, symbol]): Finding => ({ kind: 'spam', name, weight: symbol.score / threshold })),
  ]
}

async function bounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > ENGINE_ANSWER_BYTES_MAX)
      throw new EngineError('ENGINE_ANSWER', `Cannot use an answer of more than ${ENGINE_ANSWER_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
