/**
 * What TLS with one server must show before a letter goes over it, and whether it did. Decides; records and policies come in.
 * DANE goes before MTA-STS (RFC 8461 section 2); without either TLS is opportunistic (RFC 7435).
 */
import type { X509Certificate } from 'node:crypto'
import type { TlsaRecord } from '#lib/dns/types.ts'
import { daneVerdict } from '#lib/tls-policy/dane.ts'
import type { TlsFailure, TlsSession } from '#lib/tls-policy/tls-report.ts'

export type TlsDemand =
  | { readonly kind: 'none' }
  /**
   * TLSA records of a validated answer. Empty: all of them are of kinds that SMTP does not use, so TLS without proof is all that can be asked
   * for (RFC 7672 section 2.2).
   */
  | { readonly kind: 'dane'; readonly records: readonly TlsaRecord[]; readonly names: readonly string[] }
  /** MTA-STS: a certificate for the name by an authority that everybody knows. With `enforce` false it is looked at only. */
  | { readonly kind: 'sts'; readonly enforce: boolean }
  /** A server of the administrator's choice: a certificate as above, always. */
  | { readonly kind: 'known' }

export const policyOf = ({ kind }: TlsDemand): TlsSession['policy'] =>
  kind === 'dane' ? 'tlsa' : kind === 'sts' ? 'sts' : 'no-policy-found'

/** Whether a letter may leave only over TLS. */
export function demandsTls(demand: TlsDemand): boolean {
  return demand.kind === 'known' || demand.kind === 'dane' || (demand.kind === 'sts' && demand.enforce)
}

/** What a handshake has shown. */
export interface Handshake {
  /** As the server has sent it, its own certificate first. */
  readonly chain: readonly X509Certificate[]
  /** Why the certificate is not good for the name by known authorities, as Node says it; null: it is. */
  readonly problem: string | null
}

export interface TlsProblem {
  readonly failure: TlsFailure
  readonly reason: string
}

/** @returns null: all is as it must be. */
export function handshakeProblem(demand: TlsDemand, { chain, problem }: Handshake, nowMs: number): TlsProblem | null {
  switch (demand.kind) {
    case 'none':
      return null
    case 'dane': {
      if (demand.records.length === 0) return null
      const verdict = daneVerdict(demand.records, chain, demand.names, nowMs)
      if (verdict.kind === 'good') return null
      return { failure: verdict.failure, reason: 'its certificate is not that of its TLSA records' }
    }
    case 'sts':
    case 'known':
      return problem === null
        ? null
        : { failure: failureOf(problem), reason: `its certificate is not good: ${problem}` }
    default:
      return demand satisfies never
  }
}

function failureOf(problem: string): TlsFailure {
  if (problem === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'certificate-host-mismatch'
  return problem === 'CERT_HAS_EXPIRED' ? 'certificate-expired' : 'certificate-not-trusted'
}
