/** What the login engine asks of its host. Values, so that a test reads them and a host switches over `kind`. */

/**
 * A finished SASL exchange. The host checks it, waits as its policy on failures says, and answers with exactly one of
 * `authenticated()`, `denied()`, `unavailable()`.
 */
export interface PasswordCredentials {
  readonly kind: 'password'
  /** Never empty. */
  readonly login: string
  /** May be empty: a directory would take that for an anonymous bind (RFC 4513 section 5.1.2), so deny it. */
  readonly password: string
}

export type Credentials = PasswordCredentials

export type LoginAction =
  /** Write the bytes first, then begin TLS on the socket; when it is up call `tlsStarted()`. */
  | { readonly kind: 'start-tls' }
  | {
      readonly kind: 'authenticate'
      /** SASL name, or `LOGIN` for both the LOGIN command and the LOGIN mechanism. */
      readonly mechanism: string
      readonly credentials: Credentials
      /** 1 for the first attempt on this connection: the host derives delay and limit from it. */
      readonly attempt: number
    }
  /**
   * One message of a mechanism that the host carries out, because it asks the directory on its way (SCRAM, OAUTHBEARER). Answer with
   * `challenge()` or with what ends an attempt.
   */
  | {
      readonly kind: 'exchange'
      readonly mechanism: string
      readonly message: Buffer
      /** Begins a new attempt: what was left of another is over. */
      readonly first: boolean
      readonly attempt: number
    }
  /** Write the bytes, then close the connection. */
  | { readonly kind: 'close'; readonly reason: 'logout' | 'abuse' | 'host' }

export interface LoginStep {
  /** To the client, before the action is carried out. May be empty. */
  readonly bytes: Buffer
  /** At most one: while it is open the engine reads no further command. */
  readonly action: LoginAction | null
}
