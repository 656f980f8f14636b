/**
 * What TLS to other domains came to, day by day, as SMTP TLS reports want it (RFC 8460): sessions that were good and why others were not,
 * for each domain and the policy that held. Bounded; a day that is over is handed out.
 */
import type { Clock } from '#lib/ports/clock.ts'

/** RFC 8460 section 4.3. */
export type TlsFailure =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dane-required'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid'

export interface TlsSession {
  /** Of the recipients. */
  readonly domain: string
  readonly policy: 'tlsa' | 'sts' | 'no-policy-found'
  /** null: all was as it should be. */
  readonly failure: TlsFailure | null
  /** Of the server; empty: none was reached. */
  readonly host: string
  readonly address: string
  /** In words. */
  readonly reason: string
}

interface FailureCount extends Pick<TlsSession, 'host' | 'address' | 'reason'> {
  readonly failure: TlsFailure
  count: number
}

interface DomainDay {
  readonly domain: string
  readonly policy: TlsSession['policy']
  successes: number
  failures: number
  readonly details: Map<string, FailureCount>
}

/** A report of one domain, in the form of RFC 8460 section 4.4, but for who sends it and where to. */
export interface TlsReport {
  readonly 'date-range': { readonly 'start-datetime': string; readonly 'end-datetime': string }
  readonly policies: readonly {
    readonly policy: { readonly 'policy-type': TlsSession['policy']; readonly 'policy-domain': string }
    readonly summary: {
      readonly 'total-successful-session-count': number
      readonly 'total-failure-session-count': number
    }
    readonly 'failure-details': readonly {
      readonly 'result-type': TlsFailure
      readonly 'receiving-mx-hostname': string
      readonly 'receiving-ip': string
      readonly 'failed-session-count': number
      readonly 'failure-reason-code': string
    }[]
  }[]
}

const DAY_MS = 86_400_000
const DOMAINS_MAX = 20_000
/** Kinds of failures of one domain: servers, addresses, reasons. */
const DETAILS_MAX = 50

export class TlsReports {
  readonly #clock: Clock
  readonly #dayOver: (reports: readonly TlsReport[]) => void
  #days = new Map<string, DomainDay>()
  #day: number

  /** @param dayOver Told at the first session of another day (UTC), and by `end`, if there was anything. */
  constructor(clock: Clock, dayOver: (reports: readonly TlsReport[]) => void) {
    this.#clock = clock
    this.#dayOver = dayOver
    this.#day = this.#today()
  }

  count({ domain, policy, failure, host, address, reason }: TlsSession): void {
    if (this.#today() !== this.#day) this.end()
    const key = `${policy} ${domain}`
    const present = this.#days.get(key)
    if (present === undefined && this.#days.size >= DOMAINS_MAX) return
    const of = present ?? { domain, policy, successes: 0, failures: 0, details: new Map<string, FailureCount>() }
    this.#days.set(key, of)
    if (failure === null) {
      of.successes++
      return
    }
    of.failures++
    const which = [failure, host, address, reason].join('\n')
    const detail = of.details.get(which)
    if (detail !== undefined) detail.count++
    else if (of.details.size < DETAILS_MAX) of.details.set(which, { failure, host, address, reason, count: 1 })
  }

  /** Hands out what there is. */
  end(): void {
    const days = [...this.#days.values()]
    const day = this.#day
    this.#days = new Map()
    this.#day = this.#today()
    if (days.length > 0) this.#dayOver(days.map((one) => reportOf(one, day)))
  }

  #today(): number {
    return Math.floor(this.#clock.nowMs() / DAY_MS)
  }
}

function reportOf({ domain, policy, successes, failures, details }: DomainDay, day: number): TlsReport {
  const at = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
  return {
    'date-range': { 'start-datetime': at(day * DAY_MS), 'end-datetime': at((day + 1) * DAY_MS - 1_000) },
    policies: [
      {
        policy: { 'policy-type': policy, 'policy-domain': domain },
        summary: { 'total-successful-session-count': successes, 'total-failure-session-count': failures },
        'failure-details': [...details.values()].map((detail) => ({
          'result-type': detail.failure,
          'receiving-mx-hostname': detail.host,
          'receiving-ip': detail.address,
          'failed-session-count': detail.count,
          'failure-reason-code': detail.reason,
        })),
      },
    ],
  }
}
