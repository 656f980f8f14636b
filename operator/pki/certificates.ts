/**
 * A small certificate authority: ECDSA P-256, one root, leaves for servers and for roles (`twinpost://role/owner` as URI in
 * the alternative names, see lib/tls/roles.ts). Looking at a certificate needs only node:crypto; the library that writes
 * them is loaded when one is made, so that a start with all certificates at hand stays quick.
 */
import { type webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Random } from '#lib/ports/random.ts'

export interface KeyPair {
  /** PEM. */
  readonly cert: string
  /** PEM, PKCS #8. */
  readonly key: string
}

export interface LeafRequest {
  readonly commonName: string
  readonly dns: readonly string[]
  readonly ips: readonly string[]
  readonly uris: readonly string[]
}

export const CA_DAYS = 3_650
/** Short enough that renewal is exercised, long enough for a laptop that sleeps over a holiday. */
export const LEAF_DAYS = 90
const DAY_MS = 86_400_000
/** Clocks of two machines differ: a new certificate must not be in somebody's future. */
const BACKDATE_MS = 300_000
const SERIAL_BYTES = 16
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

export async function createAuthority(commonName: string, nowMs: number, random: Random): Promise<KeyPair> {
  const x509 = await library()
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(random),
    name: `CN=${commonName}`,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + CA_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: `${cert.toString('pem')}\n`, key: await keyPem(keys.privateKey) }
}

/** A certificate for server and client use, signed by `authority`. */
export async function issueLeaf(
  authority: KeyPair,
  request: LeafRequest,
  nowMs: number,
  random: Random,
): Promise<KeyPair> {
  const x509 = await library()
  const issuer = new x509.X509Certificate(authority.cert)
  const signingKey = await crypto.subtle.importKey('pkcs8', derOf(authority.key), ALGORITHM, false, ['sign'])
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(random),
    subject: `CN=${request.commonName}`,
    issuer: issuer.subject,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(Math.min(nowMs + LEAF_DAYS * DAY_MS, issuer.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...request.dns.map((value) => ({ type: 'dns' as const, value })),
        ...request.ips.map((value) => ({ type: 'ip' as const, value })),
        ...request.uris.map((value) => ({ type: 'url' as const, value })),
      ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  return { cert: `${cert.toString('pem')}\n`, key: await keyPem(keys.privateKey) }
}

/** Why a certificate must be made anew, or null if it serves: signed by `caCert`, for exactly these names, young enough. */
export function whyRenew(cert: string, caCert: string, request: LeafRequest, nowMs: number): string | null {
  let leaf: X509Certificate
  let authority: X509Certificate
  try {
    leaf = new X509Certificate(cert)
    authority = new X509Certificate(caCert)
  } catch {
    return 'unreadable'
  }
  if (!leaf.checkIssued(authority) || !leaf.verify(authority.publicKey)) return 'signed by another authority'
  const wanted = [
    ...request.dns.map((name) => `DNS:${name}`),
    ...request.ips.map((ip) => `IP Address:${ip}`),
    ...request.uris.map((uri) => `URI:${uri}`),
  ]
  const found = (leaf.subjectAltName ?? '').split(', ').filter((name) => name !== '')
  if (found.length !== wanted.length || wanted.some((name) => !found.includes(name))) return 'other names'
  const [from, to] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()]
  if (nowMs < from) return 'not valid yet'
  return nowMs > from + ((to - from) * 2) / 3 ? 'two thirds of its life are over' : null
}

/** Splits names that clients may use into DNS names and addresses. */
export function namesRequest(commonName: string, names: readonly string[], uris: readonly string[]): LeafRequest {
  return {
    commonName,
    dns: names.filter((name) => isIP(name) === 0),
    ips: names.filter((name) => isIP(name) !== 0),
    uris,
  }
}

async function library() {
  await import('./reflect-metadata.ts')
  return await import('@peculiar/x509')
}

/** RFC 5280 section 4.1.2.2: positive, at most 20 bytes. */
function serial(random: Random): string {
  return `01${Buffer.from(random.bytes(SERIAL_BYTES)).toString('hex')}`
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${(der.match(/.{1,64}/g) ?? []).join('\n')}\n-----END PRIVATE KEY-----\n`
}

function derOf(pem: string): Buffer<ArrayBuffer> {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
}
