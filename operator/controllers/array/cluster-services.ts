/**
 * What the services of an array need of the operator in a cluster, where the chart brings NATS, OpenLDAP, provisioning and the
 * resolver: certificates with their names and roles, passwords, and the one directory server that takes writes. Pure.
 * Names here are the names of objects in charts/twinpost; one namespace holds one array.
 */
import { NATS_USERS, type NatsUser } from '#lib/events/permissions.ts'
import { natsAuthorization } from '#lib/events/server-config.ts'
import { type Service as DirectoryService, SERVICES } from '#lib/ldap/schema.ts'
import { identityUri } from '#lib/tls/roles.ts'
import type { Secret, Service } from '#operator/cluster/objects.ts'
import { type LeafRequest, namesRequest } from '#operator/pki/certificates.ts'
import {
  type ArrayContext,
  authorityKey,
  DIRECTORY_PASSWORD_KEY,
  DIRECTORY_PORT,
  metaOf,
  NATS_PASSWORD_KEY,
  type OtherAuthority,
  selectorOf,
} from '../array-context.ts'
import { EDGE_CREDENTIALS } from '../mailnode/build.ts'
import { credentialsSecret, DIRECTORY, PROVISION, senderSeal } from './build.ts'

export const CLUSTER_SERVICES = {
  nats: 'twinpost-nats',
  directory: 'twinpost-directory',
  provision: 'twinpost-provision',
  resolver: 'twinpost-resolver',
} as const
export type ClusterService = keyof typeof CLUSTER_SERVICES

/** Where writes to the directory go: one pod, which the operator chooses. */
export const DIRECTORY_WRITER = `${CLUSTER_SERVICES.directory}-writer`
/** Set by the StatefulSet controller on each pod. */
const POD_NAME_LABEL = 'statefulset.kubernetes.io/pod-name'

/** Keys of the Secret that all passwords are kept in, once; what pods mount is derived from it. */
export type PasswordKey = `directory-${DirectoryService | 'replication'}` | `nats-${NatsUser}` | 'sender-seal'
export const PASSWORD_KEYS: readonly PasswordKey[] = [
  ...SERVICES.map((service) => `directory-${service}` as const),
  'directory-replication',
  ...NATS_USERS.map((user) => `nats-${user}` as const),
  'sender-seal',
]
export type Passwords = Readonly<Record<PasswordKey, string>>

/** Secret with the certificate of a service. */
export const certificateSecretOf = (service: ClusterService): string => `${CLUSTER_SERVICES[service]}-tls`

/** What the certificate of a service says. Pods of a StatefulSet reach each other by name: a wildcard covers them all. */
export function certificateRequest(service: ClusterService, namespace: string): LeafRequest {
  const name = CLUSTER_SERVICES[service]
  const hosts = (host: string) => [`${host}.${namespace}.svc`, `${host}.${namespace}.svc.cluster.local`]
  switch (service) {
    case 'nats':
      return namesRequest(name, [name, ...hosts(name), ...hosts(`*.${name}-pods`)], [])
    case 'directory': {
      const names = [name, ...hosts(name), ...hosts(DIRECTORY_WRITER), ...hosts(`*.${name}-pods`)]
      return namesRequest(name, names, [identityUri({ role: 'directory', owner: DIRECTORY })])
    }
    case 'provision':
      return namesRequest(name, [], [identityUri({ role: 'provision', owner: PROVISION })])
    case 'resolver':
      return namesRequest(name, [name, ...hosts(name)], [])
    default:
      return service satisfies never
  }
}

/** The certificate that mail clients see until there is one that they trust. */
export function publicCertificateRequest(mailHostname: string): LeafRequest {
  return namesRequest(mailHostname, [mailHostname], [])
}

/** Passwords as the pods mount them: each sees its own, the servers see all of theirs. @param authorities PEM, of servers that are not ours. */
export function passwordSecrets(
  context: ArrayContext,
  passwords: Passwords,
  authorities: Readonly<Partial<Record<OtherAuthority, string>>> = {},
): Secret[] {
  const trusted = Object.fromEntries(
    Object.entries(authorities).map(([server, pem]) => [authorityKey(server as OtherAuthority), pem]),
  )
  const client = (name: string, service: 'edge' | 'provision') =>
    credentialsSecret(context, name, {
      ...trusted,
      [DIRECTORY_PASSWORD_KEY]: passwords[`directory-${service}`],
      [NATS_PASSWORD_KEY]: passwords[`nats-${service}`],
    })
  const ofUsers = Object.fromEntries(NATS_USERS.map((user) => [user, passwords[`nats-${user}`]])) as Record<
    NatsUser,
    string
  > // one for each of the users
  const ofServices = [...SERVICES, 'replication' as const].map((service) => [
    service,
    passwords[`directory-${service}`],
  ])
  return [
    client(EDGE_CREDENTIALS, 'edge'),
    client('provision-credentials', 'provision'),
    senderSeal(context, passwords['sender-seal']),
    credentialsSecret(context, `${CLUSTER_SERVICES.nats}-auth`, { 'auth.conf': natsAuthorization(ofUsers) }),
    credentialsSecret(context, `${CLUSTER_SERVICES.directory}-passwords`, Object.fromEntries(ofServices)),
  ]
}

/** A directory server, as the operator sees its pod. */
export interface SeenDirectoryPod {
  readonly name: string
  readonly ready: boolean
}

export type WriterDecision =
  | { readonly kind: 'keep' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'choose'; readonly pod: string }

/**
 * Mirror mode is for one writer at a time: two that take the same address would both succeed. So the present writer stays as
 * long as it is ready, and nobody goes back to a first choice: every change of the writer may lose what was not yet mirrored.
 * @param present The pod that takes writes now; null: none was chosen yet.
 * @param downMs How long it has not been ready, as seen here.
 */
export function decideWriter(
  present: string | null,
  pods: readonly SeenDirectoryPod[],
  downMs: number,
  patienceMs: number,
): WriterDecision {
  if (pods.some((pod) => pod.name === present && pod.ready)) return { kind: 'keep' }
  const ready = pods.filter((pod) => pod.ready).map((pod) => pod.name)
  const next = ready.sort()[0]
  if (next === undefined) return { kind: 'keep' }
  if (present !== null && downMs < patienceMs) return { kind: 'wait', ms: patienceMs - downMs }
  return { kind: 'choose', pod: next }
}

/** Owned by nobody and not in the chart: an upgrade of the chart must not choose a writer. */
export function directoryWriter(context: ArrayContext, pod: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metaOf(context, DIRECTORY_WRITER, DIRECTORY),
    spec: {
      selector: { ...selectorOf(DIRECTORY, CLUSTER_SERVICES.directory), [POD_NAME_LABEL]: pod },
      ports: [{ name: 'ldaps', port: DIRECTORY_PORT, targetPort: 'ldaps' }],
    },
  }
}

/** The pod that `service` sends writes to, or null. */
export function writerOf(service: Readonly<Record<string, unknown>> | null): string | null {
  const spec = service?.['spec'] as { readonly selector?: Readonly<Record<string, string>> } | undefined
  return spec?.selector?.[POD_NAME_LABEL] ?? null
}
