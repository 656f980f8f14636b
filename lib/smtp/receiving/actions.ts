/** What the receiver asks of its host, and what it is told about the connection. */
import type { MailParameters, RecipientDsn } from '../syntax/parameters.ts'

export type Mechanism = 'PLAIN' | 'LOGIN'

export interface ReceiverOptions {
  /** Name of this server in greeting and EHLO. */
  readonly hostname: string
  /** Behind the name in the greeting. */
  readonly banner: string
  readonly protocol: 'smtp' | 'lmtp'
  /** The connection began with TLS. */
  readonly tls: boolean
  /** STARTTLS is offered: a certificate is at hand. */
  readonly startTls: boolean
  /** SASL mechanisms that the host carries out, by `exchange` actions; asked at each announcement. */
  readonly hostMechanisms?: () => readonly string[]
  /** Only who has logged in may send (RFC 6409 section 4.3); else AUTH is unknown. */
  readonly loginRequired: boolean
  /** Largest letter (RFC 1870). */
  readonly sizeMax: number
  readonly recipientsMax: number
  /** RFC 6531. */
  readonly smtpUtf8: boolean
  /** RFC 3461. */
  readonly dsn: boolean
}

export interface MailCommand extends MailParameters {
  /** Empty: the null path. */
  readonly reversePath: string
}

export interface RcptCommand {
  /** `postmaster` may stand alone. */
  readonly forwardPath: string
  readonly dsn: RecipientDsn
}

export interface Credentials {
  readonly mechanism: Mechanism
  /** Whom to act as; empty: oneself. */
  readonly authzid: string
  readonly login: string
  readonly password: string
}

export type CloseReason =
  | 'quit'
  /** Too many errors or commands, an endless line, another protocol. */
  | 'misuse'
  /** A reply of the host was 421, or it ended the connection. */
  | 'host'

export type Action =
  /** MAIL: answer with `settle`. */
  | { readonly kind: 'sender'; readonly mail: MailCommand }
  /** RCPT: answer with `settle`. */
  | { readonly kind: 'recipient'; readonly recipient: RcptCommand }
  /** AUTH: answer with `settle`. */
  | { readonly kind: 'login'; readonly credentials: Credentials }
  /** AUTH, one message of a mechanism that the host carries out: answer with `challenge`, or with `settle` when it is over. */
  | {
      readonly kind: 'exchange'
      readonly mechanism: string
      readonly message: Buffer
      /** Begins a new attempt: what was left of another is over. */
      readonly first: boolean
    }
  /** A letter is about to be sent: answer with `settle`. */
  | { readonly kind: 'letter' }
  /** Content of the letter, dots un-stuffed: a view that is the host's from now on. Needs no answer. */
  | { readonly kind: 'body'; readonly piece: Buffer }
  /** The letter is complete: answer with `settleLetter`. */
  | { readonly kind: 'letter-end' }
  /** The letter will not be completed: forget it. Needs no answer. */
  | { readonly kind: 'letter-abandoned' }
  /** Write what there is to write, shake hands, answer with `tlsStarted`. */
  | { readonly kind: 'start-tls' }
  /** Write what there is to write and end the connection. */
  | { readonly kind: 'close'; readonly reason: CloseReason }
