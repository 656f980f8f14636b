/** What a host asks of the sender, and what the sender tells its host. */
import type { NotifyOccasion } from '#lib/mail/notify.ts'

export interface SenderOptions {
  /** Our name in EHLO. */
  readonly hostname: string
  /** The connection began with TLS. */
  readonly secure: boolean
  /** `opportunistic`: TLS where it is offered, plain text where it is not; `never` after a handshake has failed, where that is allowed. */
  readonly tls: 'never' | 'opportunistic' | 'required'
  /** Who we are to this server (RFC 4954); told under TLS only. */
  readonly login?: { readonly user: string; readonly password: string } | null
}

export interface SendingRecipient {
  readonly address: string
  readonly notify: readonly NotifyOccasion[] | null
  /** As xtext, as it came. */
  readonly orcpt: string | null
}

export interface SendingTransaction {
  readonly reversePath: string
  readonly sizeBytes: number
  readonly eightBit: boolean
  readonly smtpUtf8: boolean
  readonly ret: 'FULL' | 'HDRS' | null
  readonly envid: string | null
  readonly recipients: readonly SendingRecipient[]
}

/** What came of one recipient. */
export interface SendingResult {
  readonly kind: 'delivered' | 'deferred' | 'failed'
  /** What the server said, or why it said nothing: one line. */
  readonly reply: string
  /** The server keeps the promises of RFC 3461. */
  readonly dsn: boolean
}

export type SenderAction =
  /** Shake hands, answer with `tlsStarted`. */
  | { readonly kind: 'start-tls' }
  /** Greeted, and secured as wished: `begin` a transaction or `quit`. */
  | { readonly kind: 'ready' }
  /** At least one recipient was taken: `write` the letter, then `end` it. */
  | { readonly kind: 'body' }
  /** The transaction is over: one result for each recipient, in order. If the connection can be used again, `ready` follows. */
  | { readonly kind: 'finished'; readonly results: readonly SendingResult[] }
  /** Nothing more comes: close the socket. Without a transaction, why the server is of no use. */
  | { readonly kind: 'closed'; readonly reason: string; readonly phase: 'connecting' | 'transaction' | 'idle' | 'quit' }
