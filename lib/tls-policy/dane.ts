/**
 * DANE for SMTP (RFC 7672): whether the certificates that a server shows are those of its TLSA records. Pure: certificates, records and time in,
 * a verdict out. Records must come from a validated answer; that is up to who asks.
 */
import { createHash, type X509Certificate } from 'node:crypto'
import type { TlsaRecord } from '#lib/dns/types.ts'

const Usage = { ta: 2, ee: 3 } as const
const Selector = { certificate: 0, publicKey: 1 } as const
const Matching = { exact: 0, sha256: 1, sha512: 2 } as const

/** Certificates of a chain that are looked at. */
const CHAIN_MAX = 10

export type DaneVerdict =
  | { readonly kind: 'good' }
  /** As RFC 8460 section 4.3 names failures. */
  | {
      readonly kind: 'bad'
      readonly failure: 'validation-failure' | 'certificate-expired' | 'certificate-host-mismatch'
    }

/** Those that SMTP may use: DANE-TA and DANE-EE with a selector and a matching that are known (RFC 7672 section 3.1). */
export function usableRecords(records: readonly TlsaRecord[]): TlsaRecord[] {
  const isOneOf = (values: Readonly<Record<string, number>>, value: number) => Object.values(values).includes(value)
  return records.filter(
    ({ usage, selector, matching }) =>
      isOneOf(Usage, usage) && isOneOf(Selector, selector) && isOneOf(Matching, matching),
  )
}

/**
 * @param chain As the server has sent it, its own certificate first.
 * @param names What the certificate must be for with DANE-TA: the base domain of the records, then the domain of the recipients
 *   (RFC 7672 section 3.2.2). With DANE-EE neither names nor dates count (section 3.1.1).
 */
export function daneVerdict(
  records: readonly TlsaRecord[],
  chain: readonly X509Certificate[],
  names: readonly string[],
  nowMs: number,
): DaneVerdict {
  const [leaf] = chain
  if (leaf === undefined) return { kind: 'bad', failure: 'validation-failure' }
  const ofUsage = (usage: number) => records.filter((record) => record.usage === usage)
  if (ofUsage(Usage.ee).some((record) => isMeant(record, leaf))) return { kind: 'good' }
  const anchors = ofUsage(Usage.ta)
  let failure: Extract<DaneVerdict, { kind: 'bad' }>['failure'] = 'validation-failure'
  for (let last = 0; last < Math.min(chain.length, CHAIN_MAX); last++) {
    const anchor = chain[last]
    if (anchor === undefined || !anchors.some((record) => isMeant(record, anchor))) continue
    const used = chain.slice(0, last + 1)
    if (!used.every((certificate, i) => i === last || isIssuedBy(certificate, used[i + 1]))) continue
    if (used.some((certificate) => !isValidAt(certificate, nowMs))) failure = 'certificate-expired'
    else if (!names.some((name) => leaf.checkHost(name, { subject: 'never' }) !== undefined)) {
      failure = 'certificate-host-mismatch'
    } else return { kind: 'good' }
  }
  return { kind: 'bad', failure }
}

/** RFC 6698 section 2.1. */
function isMeant({ selector, matching, data }: TlsaRecord, certificate: X509Certificate): boolean {
  const bytes =
    selector === Selector.certificate ? certificate.raw : certificate.publicKey.export({ type: 'spki', format: 'der' })
  if (matching === Matching.exact) return data.equals(bytes)
  return data.equals(
    createHash(matching === Matching.sha256 ? 'sha256' : 'sha512')
      .update(bytes)
      .digest(),
  )
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate | undefined): boolean {
  return issuer?.ca === true && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function isValidAt({ validFromDate, validToDate }: X509Certificate, nowMs: number): boolean {
  return validFromDate.getTime() <= nowMs && nowMs <= validToDate.getTime()
}
