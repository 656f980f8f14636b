/**
 * SASL mechanisms that ask the directory while they run: the login engines pass their messages on (`exchange` actions) and send back
 * what comes. One object is one attempt.
 */
import type { LoginVerdict } from './password-gate.ts'

export type ExchangeStep =
  /** The client's answer to it is the next message. */
  | { readonly kind: 'challenge'; readonly bytes: Buffer }
  /** @see PasswordGate.settle, which counts it. `login`: what the client called itself, as far as it said. */
  | { readonly kind: 'over'; readonly login: string; readonly verdict: LoginVerdict }

export interface SaslExchange {
  /** May reject: the directory cannot answer. */
  next(message: Buffer): Promise<ExchangeStep>
}
