/**
 * Failures that a caller branches on carry a code; callers never look at the text (docs/reference/errors.md lists all codes).
 * Bugs are assertions (`assert.ts`), decisions are values (unions on `kind`), failures are these.
 */
export interface ErrorSpec {
  /** SMTP reply and enhanced status code, when a mail transaction ends with this, as '451 4.3.0'. */
  readonly smtp?: string
  /** IMAP response code without brackets (RFC 5530, RFC 9051), when a command ends with this. */
  readonly imap?: string
  /** Whether the same request may succeed later without anybody changing it. */
  readonly retry: boolean
  /** One sentence for the reader of docs/reference/errors.md. */
  readonly meaning: string
}

export class CodedError<Code extends string = string> extends Error {
  override readonly name: string = 'CodedError'
  readonly code: Code
  readonly details: Readonly<Record<string, unknown>>

  /** @param message Action first, the quoted value, what to do; no full stop. */
  constructor(
    code: Code,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }
}

/** The code of a coded or Node system error, or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}

/** The text of whatever was thrown, for logs and replies to administrators. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
