/**
 * The certificate authority of an array in a cluster: one Secret in the operator's namespace, made once and never owned by anything
 * that can be deleted. Leaves live in the Secrets of the MailNodes that use them: what is there and still serves is used again.
 */
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { createAuthority, issueLeaf, type KeyPair, whyRenew } from '#operator/pki/certificates.ts'
import type { CertificateStore } from '#operator/pki/store.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import { KubeError, kubeErrorCode } from '#operator/runtime/api-error.ts'
import type { KubeObject } from '#operator/runtime/kube-object.ts'

export const AUTHORITY_SECRET = 'twinpost-ca'

/** The authority, made if there is none; two operators that try at once get the same one. @throws {KubeError} */
export async function openAuthority(options: {
  readonly client: ApiClient
  readonly namespace: string
  readonly clock: Clock
  readonly random: Random
}): Promise<KeyPair> {
  const { client, namespace, clock, random } = options
  const found = await client.get(RESOURCE_TYPES.Secret, namespace, AUTHORITY_SECRET)
  if (found !== null) return pairIn(found)
  const made = await createAuthority('Twinpost CA', clock.nowMs(), random)
  const encoded = (text: string) => Buffer.from(text).toString('base64')
  const secret = {
    metadata: { name: AUTHORITY_SECRET, namespace },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': encoded(made.cert), 'tls.key': encoded(made.key) },
  }
  try {
    return pairIn(await client.create(RESOURCE_TYPES.Secret, secret))
  } catch (error) {
    if (kubeErrorCode(error) !== 'KUBE_EXISTS') throw error
    return openAuthority(options)
  }
}

/** Certificates for one MailNode. @param present The pair that is in use under a name, or null. */
export function nodeCertificates(options: {
  readonly authority: KeyPair
  readonly present: (name: string) => KeyPair | null
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}): CertificateStore {
  const { authority, present, clock, random, logger } = options
  return {
    ca: authority.cert,
    async pair(name, request) {
      const found = present(name)
      const reason = found === null ? null : whyRenew(found.cert, authority.cert, request, clock.nowMs())
      if (found !== null && reason === null) return found
      if (reason !== null) logger.info({ certificate: name, reason }, 'renewing a certificate')
      return issueLeaf(authority, request, clock.nowMs(), random)
    },
  }
}

/** Text of a key of a Secret, or null. */
export function secretText(secret: KubeObject | null, key: string): string | null {
  const data = secret?.['data']
  const value = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[key] : undefined
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : null
}

/** A pair in a Secret under `<name>.crt` and `<name>.key`, or null. */
export function keyPairOf(secret: KubeObject | null, name = 'tls'): KeyPair | null {
  const [cert, key] = [secretText(secret, `${name}.crt`), secretText(secret, `${name}.key`)]
  return cert === null || key === null ? null : { cert, key }
}

function pairIn(secret: KubeObject): KeyPair {
  const pair = keyPairOf(secret)
  if (pair !== null) return pair
  const { namespace, name } = secret.metadata
  throw new KubeError(
    'KUBE_CONFIG',
    `Cannot use Secret ${namespace}/${name}: it must hold tls.crt and tls.key of the authority`,
  )
}
