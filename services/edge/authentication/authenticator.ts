/**
 * Whether a letter comes from where it says: SPF (RFC 7208), DKIM (RFC 6376), ARC (RFC 8617) and DMARC (RFC 9989), checked by mailauth
 * while the letter goes by; the result as facts for the policy and as the field Authentication-Results (RFC 8601).
 *
 * Invariants: a letter is never refused because something could not be looked up; nothing that a sender wrote reaches the field but as
 * what may stand in one.
 */
import { PassThrough } from 'node:stream'
import { type AuthenticateResult, authenticate } from 'mailauth'
import type { DnsResolver } from '#lib/dns/types.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { mailauthResolver } from './mailauth-resolver.ts'

export interface AuthenticationQuestion {
  readonly traceId: string
  readonly clientAddress: string
  readonly helo: string
  /** Empty: the null path; SPF then speaks of the HELO name (RFC 7208 section 2.4). */
  readonly reversePath: string
}

export type DmarcResult = 'pass' | 'fail' | 'none' | 'temperror' | 'permerror'

export interface Authentication {
  /** The one address of the one From field, in lower case; empty: there is not exactly one. */
  readonly author: string
  readonly dmarc: DmarcResult
  /** What the author's domain asks for when DMARC fails. */
  readonly dmarcPolicy: 'none' | 'quarantine' | 'reject'
  /** A chain of forwarders that vouch for the letter, unbroken. */
  readonly arcPass: boolean
  /** Authentication-Results with its line end. */
  readonly field: string
}

export interface AuthenticationRun {
  /** Resolves when there is room for more. */
  write(pieces: readonly Buffer[]): Promise<void>
  /** Never rejects: what cannot be found out is `temperror`. */
  end(): Promise<Authentication>
  abandon(): void
}

export interface AuthenticatorOptions {
  readonly resolver: DnsResolver
  /** Our name in Authentication-Results (authserv-id). */
  readonly hostname: string
  readonly clock: Clock
  readonly logger: Logger
  /** From the last byte on. */
  readonly timeoutMs: number
}

/** RFC 8301 section 3.2: shorter RSA keys are not to be believed. */
const KEY_BITS_MIN = 1024
const FIELD_CHARACTERS_MAX = 8_000
const SAFE_FIELD = /^(?:[\t\x20-\x7e]|\r\n[\t ])*$/

export class Authenticator {
  readonly #options: AuthenticatorOptions

  constructor(options: AuthenticatorOptions) {
    this.#options = options
  }

  begin(question: AuthenticationQuestion): AuthenticationRun {
    const { hostname, resolver, clock, timeoutMs } = this.#options
    const input = new PassThrough({ highWaterMark: 256 * 1024 })
    const answer = authenticate(input, {
      ip: question.clientAddress,
      helo: question.helo,
      sender: question.reversePath,
      mta: hostname,
      minBitLength: KEY_BITS_MIN,
      disableBimi: true,
      strict: true,
      resolver: mailauthResolver(resolver),
    }).then((result) => this.#read(result))
    answer.catch(() => {})
    return {
      write: async (pieces) => {
        for (const piece of pieces) if (!input.write(piece)) await room(input)
      },
      end: async () => {
        input.end()
        let cancel = () => {}
        const late = new Promise<Authentication>((resolve) => {
          cancel = clock.after(timeoutMs, () => resolve(this.#unknown(question, 'no answer in time')))
        })
        const result = await Promise.race([
          answer.catch((error: unknown) => this.#unknown(question, errorMessage(error))),
          late,
        ])
        cancel()
        return result
      },
      abandon: () => {
        input.destroy()
      },
    }
  }

  #read(result: AuthenticateResult): Authentication {
    const { dkim, dmarc, arc } = result
    const [author, ...others] = dkim.headerFrom
    return {
      author: others.length > 0 || author === undefined ? '' : author.toLowerCase(),
      dmarc: dmarc === false ? 'none' : dmarcWord(dmarc.status.result),
      dmarcPolicy: dmarc === false ? 'none' : policyWord(dmarc.policy),
      arcPass: arc !== false && arc.status.result === 'pass',
      field: this.#field(result.headers),
    }
  }

  #unknown({ traceId }: AuthenticationQuestion, reason: string): Authentication {
    this.#options.logger.warn({ trace: traceId, reason }, 'letter could not be authenticated')
    return { author: '', dmarc: 'temperror', dmarcPolicy: 'none', arcPass: false, field: this.#nothing }
  }

  get #nothing(): string {
    return `Authentication-Results: ${this.#options.hostname}; none\r\n`
  }

  /** mailauth writes several fields; ours is the one. */
  #field(headers: string): string {
    const field = /^Authentication-Results:[^\n]*\n(?:[ \t][^\n]*\n)*/im.exec(headers)?.[0]
    const text = field?.replace(/\r\n$/, '')
    return text !== undefined && text.length <= FIELD_CHARACTERS_MAX && SAFE_FIELD.test(text)
      ? `${text}\r\n`
      : this.#nothing
  }
}

function dmarcWord(said: string | undefined): DmarcResult {
  switch (said) {
    case 'pass':
    case 'fail':
    case 'temperror':
    case 'permerror':
      return said
    default:
      return 'none'
  }
}

function policyWord(said: string): Authentication['dmarcPolicy'] {
  return said === 'reject' || said === 'quarantine' ? said : 'none'
}

/** Resolves when there is room again, or none will be needed. */
function room(input: PassThrough): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      input.off('drain', done)
      input.off('close', done)
      resolve()
    }
    input.once('drain', done)
    input.once('close', done)
  })
}
