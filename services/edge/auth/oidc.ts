/**
 * Judges access tokens of one OpenID Connect issuer: JWTs (RFC 9068) signed by keys that the issuer publishes. Where it does so is found
 * at the first login (OpenID Connect Discovery); keys that are not known yet are fetched, at most every half minute.
 */
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import { CodedError, type ErrorSpec, errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'

export const OIDC_ERRORS = {
  OIDC_UNAVAILABLE: {
    retry: true,
    meaning:
      'The OpenID Connect issuer did not answer, or not as it must: logins with tokens are refused for now, passwords go on.',
  },
} as const satisfies Record<string, ErrorSpec>

export class OidcError extends CodedError<keyof typeof OIDC_ERRORS> {
  override readonly name = 'OidcError'
}

export interface TokenVerifier {
  /** Where a client that has no valid token learns how to get one (RFC 7628 section 3.2.2). */
  readonly configurationUrl: string
  /** The address that the token speaks for; null: it is not valid here. @throws {OidcError} OIDC_UNAVAILABLE */
  verify(token: string): Promise<string | null>
}

export interface OidcOptions {
  /** As the `iss` of tokens names it. */
  readonly issuer: string
  /** What `aud` must name. */
  readonly audience: string
  /** Claim with the mail address. */
  readonly addressClaim: string
  readonly clock: Clock
}

/** Only signatures that need the issuer's private key; never `none`, never a shared secret. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const CLOCK_TOLERANCE_S = 30
const FETCH_MS = 5_000
const METADATA_BYTES_MAX = 256 * 1024

export class OidcVerifier implements TokenVerifier {
  readonly configurationUrl: string
  readonly #options: OidcOptions
  #keys: Promise<ReturnType<typeof createRemoteJWKSet>> | null = null

  constructor(options: OidcOptions) {
    this.#options = options
    this.configurationUrl = `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  }

  async verify(token: string): Promise<string | null> {
    const { issuer, audience, addressClaim, clock } = this.#options
    const keys = await this.#published()
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(clock.nowMs()),
        requiredClaims: ['exp'],
      })
      return addressIn(payload, addressClaim)
    } catch (cause) {
      if (
        cause instanceof errors.JOSEError &&
        !(cause instanceof errors.JWKSTimeout) &&
        cause.code !== 'ERR_JOSE_GENERIC'
      ) {
        return null
      }
      throw unavailable(issuer, cause)
    }
  }

  /** Found once; after a failure it is looked for again by the next login. */
  #published() {
    this.#keys ??= this.#discover().catch((error: unknown) => {
      this.#keys = null
      throw error
    })
    return this.#keys
  }

  async #discover() {
    const { issuer } = this.#options
    try {
      const response = await fetch(this.configurationUrl, { signal: AbortSignal.timeout(FETCH_MS), redirect: 'error' })
      const text = await response.text()
      if (!response.ok || text.length > METADATA_BYTES_MAX) throw new Error(`it answered ${response.status}`)
      const metadata: unknown = JSON.parse(text)
      // OpenID Connect Discovery section 4.3: an issuer that calls itself otherwise is another one.
      if (field(metadata, 'issuer') !== issuer) throw new Error(`it calls itself ${String(field(metadata, 'issuer'))}`)
      return createRemoteJWKSet(new URL(String(field(metadata, 'jwks_uri'))), { timeoutDuration: FETCH_MS })
    } catch (cause) {
      throw unavailable(issuer, cause)
    }
  }
}

function addressIn(payload: JWTPayload, claim: string): string | null {
  const address = payload[claim]
  return typeof address === 'string' && address.includes('@') ? address : null
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function unavailable(issuer: string, cause: unknown): OidcError {
  return new OidcError('OIDC_UNAVAILABLE', `Cannot ask ${issuer}: ${errorMessage(cause)}`, { cause })
}
