/**
 * MTA-STS policies of other domains (RFC 8461): asks for the record, fetches the text over HTTPS, keeps it as long as it says. A policy that is
 * kept holds until its time is over, also if record or text cannot be had (sections 3.3 and 5.1); it does not outlive this process.
 */
import { domainToASCII } from 'node:url'
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import type { DnsResolver } from '#lib/dns/types.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { parseStsPolicy, type StsPolicy, stsPolicyId } from '#lib/tls-policy/mta-sts.ts'
import type { TlsFailure } from '#lib/tls-policy/tls-report.ts'
import { STS_FETCH_PAUSE_MS, STS_POLICIES_KEPT } from './limits.ts'

export interface StsPoliciesOptions {
  readonly resolver: DnsResolver
  /** The text at `https://mta-sts.<domain>/.well-known/mta-sts.txt`. @throws with the reason */
  readonly fetch: (host: string) => Promise<string>
  readonly clock: Clock
  readonly logger: Logger
}

export interface FoundPolicy {
  /** null: none holds. */
  readonly policy: StsPolicy | null
  /** The domain says that it has one, and it could not be had. */
  readonly failure: TlsFailure | null
  readonly reason: string
}

interface Kept {
  readonly id: string
  readonly policy: StsPolicy
  readonly untilMs: number
}

const NONE: FoundPolicy = { policy: null, failure: null, reason: '' }

export class StsPolicies {
  readonly #options: StsPoliciesOptions
  readonly #kept = new WeightedLru<string, Kept>(STS_POLICIES_KEPT)
  /** Fetches that failed: not again before `untilMs`. */
  readonly #failed = new WeightedLru<string, { readonly found: FoundPolicy; readonly untilMs: number }>(
    STS_POLICIES_KEPT,
  )
  readonly #asking = new Map<string, Promise<FoundPolicy>>()

  constructor(options: StsPoliciesOptions) {
    this.#options = options
  }

  /** Never rejects. Many who ask for one domain at a time are one question. */
  of(domain: string): Promise<FoundPolicy> {
    const name = domainToASCII(domain)
    if (name === '') return Promise.resolve(NONE) // an address literal
    const asking = this.#asking.get(name)
    if (asking !== undefined) return asking
    const asked = this.#ask(name).finally(() => this.#asking.delete(name))
    this.#asking.set(name, asked)
    return asked
  }

  async #ask(domain: string): Promise<FoundPolicy> {
    const { resolver, clock } = this.#options
    const kept = this.#kept.get(domain)
    const valid = kept !== undefined && kept.untilMs > clock.monotonicMs() ? kept : null
    const id = await resolver.query(`_mta-sts.${domain}`, 'TXT').then(
      ({ records }) => stsPolicyId(records),
      () => null,
    )
    if (id === null || id === valid?.id) return valid === null ? NONE : { ...NONE, policy: valid.policy }
    const failed = this.#failed.get(`${domain} ${id}`)
    const fetched =
      failed !== undefined && failed.untilMs > clock.monotonicMs() ? failed.found : await this.#fetch(domain, id)
    return fetched.policy === null && valid !== null ? { ...fetched, policy: valid.policy } : fetched
  }

  async #fetch(domain: string, id: string): Promise<FoundPolicy> {
    const { clock, logger } = this.#options
    const nowMs = clock.monotonicMs()
    const fail = (failure: TlsFailure, reason: string): FoundPolicy => {
      const found = { policy: null, failure, reason }
      this.#failed.set(`${domain} ${id}`, { found, untilMs: nowMs + STS_FETCH_PAUSE_MS }, 1)
      logger.info({ domain, reason }, 'cannot use the MTA-STS policy of a domain')
      return found
    }
    try {
      const policy = parseStsPolicy(await this.#options.fetch(`mta-sts.${domain}`))
      if (typeof policy === 'string') return fail('sts-policy-invalid', policy)
      this.#kept.set(domain, { id, policy, untilMs: nowMs + policy.maxAgeS * 1_000 }, 1)
      return { ...NONE, policy }
    } catch (error) {
      return fail('sts-policy-fetch-error', errorMessage(error))
    }
  }
}
