/**
 * The passwords that the services of an array use among themselves, in one Secret of the operator's namespace: made once, owned by
 * nobody. Who has a directory or a NATS of their own writes its passwords there before: what is there is kept.
 */
import type { Random } from '#lib/ports/random.ts'
import { RESOURCE_TYPES } from '#operator/cluster/kubernetes/kinds.ts'
import { PASSWORD_KEYS, type Passwords } from '#operator/controllers/array/cluster-services.ts'
import type { ApiClient } from '#operator/runtime/api-client.ts'
import { secretText } from './authority.ts'

export const PASSWORDS_SECRET = 'twinpost-credentials'
const PASSWORD_BYTES = 24

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
