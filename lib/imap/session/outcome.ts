/** How a command ended: the tagged response as a value (RFC 9051 section 7.1). */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { responseText } from '../response/strings.ts'

export interface Outcome {
  readonly status: 'OK' | 'NO' | 'BAD'
  /** Response code without brackets, or null. */
  readonly code: string | null
  readonly text: string
  /** The command may have expunged: with QRESYNC its OK says how far the client now is (RFC 7162 section 3.2.7). */
  readonly expunged?: true
}

export function ok(text = 'Done', code: string | null = null): Outcome {
  return { status: 'OK', code, text }
}

export function no(code: string | null, text: string): Outcome {
  return { status: 'NO', code, text }
}

export function bad(text: string): Outcome {
  return { status: 'BAD', code: null, text }
}

/** The line without tag and CRLF. */
export function outcomeText(outcome: Outcome): string {
  const code = outcome.code === null ? '' : `[${outcome.code}] `
  return `${outcome.status} ${code}${responseText(outcome.text)}`
}

export function refusedWith(code: string | null, error: unknown): Outcome {
  return no(code, errorMessage(error))
}
