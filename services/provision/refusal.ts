import type { ProvisionFailure } from '#lib/events/events.ts'

/** Ends a command with an answer that no repeat would change. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: ProvisionFailure

  constructor(code: ProvisionFailure, message: string) {
    super(message)
    this.code = code
  }
}
