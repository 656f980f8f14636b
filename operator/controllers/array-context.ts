/**
 * What all rendered objects of one array have in common: where it runs, which names its services have, and the few settings
 * that differ between a cluster and one machine. Builders take it as an argument, so the same call gives the same bytes.
 */
import type { ContainerResources } from '#operator/api/mod.ts'
import type { EnvVar, Manifest, ObjectMeta, ResourceRequirements } from '#operator/cluster/objects.ts'

export interface ArrayContext {
  readonly namespace: string
  /** Image of all services of ours, where a resource names none. */
  readonly image: string
  /** Name that clients see in greetings and Received fields. */
  readonly mailHostname: string
  readonly baseDn: string
  readonly directoryUrl: string
  readonly natsUrl: string
  /** Secret with the certificate clients see, where a MailNode names none. */
  readonly publicCertificateSecret: string
  /** Account for postmaster and abuse where a Domain has none; null: the edge has no fallback. */
  readonly postmaster: string | null
  /** Where the ledger of authority is: one file of this machine, or Leases of the API server. */
  readonly ledger: { readonly kind: 'file'; readonly folder: string } | { readonly kind: 'lease' }
  /** One more address that all edges listen on; null in Kubernetes, where a Service does that. */
  readonly serviceAddress: string | null
  /** The world outside as a file: names (`outside.zone`) and the port of its mail servers. Null: DNS, and port 25. */
  readonly outside: { readonly folder: string; readonly port: number } | null
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** Name servers for mail that leaves, as a sender takes them; without it those of the system. */
  readonly dnsServers?: string
  /** Servers whose certificates are of another authority than the array's: it lies beside the passwords. */
  readonly otherAuthorities?: readonly OtherAuthority[]
  /** Secrets that the images are pulled with; none without it. */
  readonly imagePullSecrets?: readonly string[]
}

export type OtherAuthority = 'directory' | 'nats'

/** Key of the Secrets with passwords that holds such an authority, as PEM. */
export const authorityKey = (server: OtherAuthority): string => `${server}-ca.crt`

/** Variables that say where another authority is found, for the servers that a container talks to. */
export function authorityEnv(context: ArrayContext, servers: readonly OtherAuthority[]): EnvVar[] {
  const named = servers.filter((server) => context.otherAuthorities?.includes(server))
  return named.map((server) => ({
    name: `TWINPOST_${server.toUpperCase()}_CA_FILE`,
    value: `${PATHS.credentials}/${authorityKey(server)}`,
  }))
}

/** Folders that containers see. Every one comes to a service as a setting, so that a process can have others. */
export const PATHS = {
  data: '/var/lib/twinpost',
  sockets: '/run/twinpost',
  memberTls: '/etc/twinpost/member-tls',
  edgeTls: '/etc/twinpost/edge-tls',
  publicTls: '/etc/twinpost/public-tls',
  serviceTls: '/etc/twinpost/tls',
  credentials: '/etc/twinpost/credentials',
  seal: '/etc/twinpost/seal',
  backup: '/backup',
  backupSecret: '/etc/twinpost/backup',
  config: '/etc/twinpost/config',
  pod: '/etc/twinpost/pod',
  temporary: '/tmp',
} as const

export const METRICS_PORTS = {
  edge: 9100,
  shardBase: 9110,
  directory: 9120,
  provision: 9130,
  sender: 9140,
  filter: 9151,
} as const
/** In `outside.folder`. */
export const OUTSIDE_ZONE = 'outside.zone'
export const DIRECTORY_PORT = 3636
export const NATS_PORT = 4222
export const NATS_MONITORING_PORT = 8222

/** Keys of the Secret that holds one service's passwords. */
export const DIRECTORY_PASSWORD_KEY = 'directory-password'
export const NATS_PASSWORD_KEY = 'nats-password'
/** Key of the Secret with what opens the keys of Domains. */
export const SEAL_KEY = 'seal'

/** Nothing of ours needs more than this (Pod Security Standards, "restricted"). */
export const POD_SECURITY = {
  runAsNonRoot: true,
  runAsUser: 10_001,
  runAsGroup: 10_001,
  fsGroup: 10_001,
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
} as const
export const CONTAINER_SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const

/**
 * What all pods say. Without the first line Kubernetes puts variables for every Service into every container: those of a Service named
 * twinpost-nats begin with TWINPOST_ and would be taken for settings.
 */
export function podDefaults(context: ArrayContext) {
  const secrets = (context.imagePullSecrets ?? []).map((name) => ({ name }))
  return { enableServiceLinks: false, ...(secrets.length > 0 ? { imagePullSecrets: secrets } : {}) } as const
}

/** Recommended labels of Kubernetes; the first two select. */
export function labelsOf(component: string, instance: string): Record<string, string> {
  return {
    'app.kubernetes.io/component': component,
    'app.kubernetes.io/instance': instance,
    'app.kubernetes.io/name': 'twinpost',
    'app.kubernetes.io/managed-by': 'twinpost-operator',
  }
}

export function selectorOf(component: string, instance: string): Record<string, string> {
  return { 'app.kubernetes.io/component': component, 'app.kubernetes.io/instance': instance }
}

export function metaOf(
  context: ArrayContext,
  name: string,
  component: string,
  more: Pick<ObjectMeta, 'annotations' | 'ownerReferences'> = {},
): ObjectMeta {
  return { name, namespace: context.namespace, labels: labelsOf(component, name), ...more }
}

/** Probes on the metrics port: alive, and ready to be used. */
export function probesOf(port: string) {
  return {
    startupProbe: { httpGet: { path: '/livez', port }, periodSeconds: 2, failureThreshold: 90 },
    livenessProbe: { httpGet: { path: '/livez', port }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { httpGet: { path: '/readyz', port }, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 },
  } as const
}

/** Objects in the order in which they are applied: names and secrets before the pods that use them. */
export function inApplyOrder(manifests: readonly Manifest[]): Manifest[] {
  const order: readonly Manifest['kind'][] = [
    'ServiceAccount',
    'Role',
    'RoleBinding',
    'Secret',
    'ConfigMap',
    'Service',
    'PodDisruptionBudget',
    'NetworkPolicy',
    'Lease',
    'StatefulSet',
    'Deployment',
    'HorizontalPodAutoscaler',
  ]
  return [...manifests].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
}

/** Resources of a container as a resource of ours names them; nothing where it names none. */
export function containerResources(
  wanted: ContainerResources | undefined,
): { resources: ResourceRequirements } | Record<string, never> {
  if (!wanted) return {}
  const amounts = (found: ContainerResources['requests']) =>
    Object.fromEntries(Object.entries(found ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined))
  return {
    resources: {
      ...(wanted.requests ? { requests: amounts(wanted.requests) } : {}),
      ...(wanted.limits ? { limits: amounts(wanted.limits) } : {}),
    },
  }
}
