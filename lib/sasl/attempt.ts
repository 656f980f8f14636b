/** What the login engines of IMAP and POP3 ask of their host, in one shape, so that an edge checks both with one function. */

/** A finished exchange of a mechanism with a password, or LOGIN, or USER and PASS. */
export interface PasswordCredentials {
  readonly kind: 'password'
  /** Never empty. */
  readonly login: string
  /** May be empty: a directory would take that for an anonymous bind (RFC 4513 section 5.1.2), so deny it. */
  readonly password: string
}

export interface PasswordAttempt<Mechanism extends string> {
  readonly kind: 'authenticate'
  readonly mechanism: Mechanism
  readonly credentials: PasswordCredentials
  /** 1 for the first attempt on this connection: the host derives delay and limit from it. */
  readonly attempt: number
}

/**
 * One message of a mechanism that the host carries out, because it asks the directory on its way (SCRAM, OAUTHBEARER). The host answers
 * with a challenge or with what ends an attempt.
 */
export interface MechanismMessage {
  readonly kind: 'exchange'
  readonly mechanism: string
  readonly message: Buffer
  /** Begins a new attempt: what was left of another is over. */
  readonly first: boolean
  readonly attempt: number
}
