/** What the login engine asks of its host. Values, so that a test reads them and a host switches over `kind`. */

import type { MechanismMessage, PasswordAttempt, PasswordCredentials } from '#lib/sasl/attempt.ts'

export type Credentials = PasswordCredentials

export type LoginAction =
  /** Write the bytes first, then begin TLS on the socket; when it is up call `tlsStarted()`. */
  | { readonly kind: 'start-tls' }
  /**
   * `mechanism` is the SASL name, or `LOGIN` for both the LOGIN command and the LOGIN mechanism. The host checks it, waits as its policy
   * on failures says, and answers with exactly one of `authenticated()`, `denied()`, `refused()`, `unavailable()`.
   */
  | PasswordAttempt<string>
  /** Answer with `challenge()` or with what ends an attempt. */
  | MechanismMessage
  /** Write the bytes, then close the connection. */
  | { readonly kind: 'close'; readonly reason: 'logout' | 'abuse' | 'host' }

export interface LoginStep {
  /** To the client, before the action is carried out. May be empty. */
  readonly bytes: Buffer
  /** At most one: while it is open the engine reads no further command. */
  readonly action: LoginAction | null
}
