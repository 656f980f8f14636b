/** What an engine is to the scanner: it looks at a letter and says what it found. */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import type { Finding } from '#lib/filter/evidence.ts'
import type { Letter } from '../letter/letter.ts'

export const ENGINE_ERRORS = {
  ENGINE_UNREACHABLE: {
    retry: true,
    meaning: 'A foreign engine (clamd, rspamd, spamd) does not take connections or went away.',
  },
  ENGINE_ANSWER: {
    retry: false,
    meaning: 'A foreign engine answered what its protocol does not have, or said that it failed.',
  },
} as const satisfies Record<string, ErrorSpec>

export class EngineError extends CodedError<keyof typeof ENGINE_ERRORS> {
  override readonly name = 'EngineError'
}

export interface Engine {
  /** In headers, metrics and logs. */
  readonly name: string
  /** It judges bytes alone, not who sends them: its answer can be kept for the next copy of a letter. */
  readonly ofContent: boolean
  /** Letters at once. */
  readonly concurrency: number
  /** Larger letters are not shown to it. */
  readonly bytesMax: number
  readonly timeoutMs: number
  /** @param signal Aborted when nobody waits for the answer any more. @throws {EngineError} */
  scan(letter: Letter, signal: AbortSignal): Promise<readonly Finding[]>
}
