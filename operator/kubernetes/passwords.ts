/**
 * The passwords that the services of an array use among themselves, in one Secret of the operator's namespace: made once, owned by
 * nobody. Who has a directory or a NATS of their own writes its passwords there before: what is there is kept.
 */
import type { Random } from '#lib/ports/random.ts'
import { RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { PASSWORD_KEYS, type Passwords } from '#operator/controllers/array/cluster-services.ts'
import { authorityKey, type OtherAuthority } from '#operator/controllers/array-context.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import { KubeError } from '#operator/runtime/api-error.ts'
import { secretText } from './authority.ts'

export const PASSWORDS_SECRET = 'twinpost-credentials'
const PASSWORD_BYTES = 24

/**
 * Authorities of servers that are not ours, from the keys `directory-ca.crt` and `nats-ca.crt` of the same Secret.
 * @throws {KubeError} KUBE_CONFIG if one that was asked for is not there
 */
export async function openAuthorities(options: {
  readonly client: Pick<ApiClient, 'get'>
  readonly namespace: string
  readonly servers: readonly OtherAuthority[]
}): Promise<Readonly<Partial<Record<OtherAuthority, string>>>> {
  const { client, namespace, servers } = options
  if (servers.length === 0) return {}
  const secret = await client.get(RESOURCE_TYPES.Secret, namespace, PASSWORDS_SECRET)
  const found: Partial<Record<OtherAuthority, string>> = {}
  for (const server of servers) {
    const pem = secretText(secret, authorityKey(server))
    if (pem === null) {
      const place = `Secret ${namespace}/${PASSWORDS_SECRET}`
      throw new KubeError(
        'KUBE_CONFIG',
        `Cannot trust the ${server}: ${place} must hold its authority as ${authorityKey(server)}`,
      )
    }
    found[server] = pem
  }
  return found
}

/** All passwords; those that are missing are made. @throws {KubeError} KUBE_CONFLICT if somebody else adds some at the same time */
export async function openPasswords(options: {
  readonly client: Pick<ApiClient, 'get' | 'create' | 'mergePatch'>
  readonly namespace: string
  readonly random: Random
}): Promise<Passwords> {
  const { client, namespace, random } = options
  const secret = await client.get(RESOURCE_TYPES.Secret, namespace, PASSWORDS_SECRET)
  const made: Record<string, string> = {}
  const all = Object.fromEntries(
    PASSWORD_KEYS.map((key) => {
      const present = secretText(secret, key)?.trim()
      if (present) return [key, present]
      made[key] = Buffer.from(random.bytes(PASSWORD_BYTES)).toString('base64url')
      return [key, made[key]]
    }),
  ) as Passwords // one for each of the keys
  if (Object.keys(made).length === 0) return all
  const data = Object.fromEntries(
    Object.entries(made).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  )
  if (secret === null) {
    const metadata = { name: PASSWORDS_SECRET, namespace }
    await client.create(RESOURCE_TYPES.Secret, { metadata, type: 'Opaque', data })
  } else {
    const { resourceVersion } = secret.metadata
    await client.mergePatch(RESOURCE_TYPES.Secret, namespace, PASSWORDS_SECRET, { metadata: { resourceVersion }, data })
  }
  return all
}
