/**
 * From a MailNode to the objects that make it run. Pure: same arguments, same bytes.
 * A pod is one member: a container per shard replica, one edge and one sender, which reach each other over unix sockets in a folder that
 * only they see. Both members come from one StatefulSet with OnDelete: who is replaced when is decided in decide.ts.
 */
import { MEMBERS_PER_MAILNODE, SHARD_PORT_BASE } from '#lib/link/address.ts'
import type { ListenerName, MailNode } from '#operator/api/mod.ts'
import { durationSeconds } from '#operator/api/resource.ts'
import type {
  Container,
  EnvVar,
  Lease,
  Manifest,
  NetworkPolicy,
  OwnerReference,
  PodDisruptionBudget,
  Role,
  RoleBinding,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
  Volume,
} from '#operator/cluster/objects.ts'
import {
  type ArrayContext,
  authorityEnv,
  CONTAINER_SECURITY,
  containerResources,
  DIRECTORY_PASSWORD_KEY,
  labelsOf,
  METRICS_PORTS,
  metaOf,
  NATS_PASSWORD_KEY,
  OUTSIDE_ZONE,
  PATHS,
  POD_SECURITY,
  podDefaults,
  probesOf,
  SEAL_KEY,
  selectorOf,
} from '../array-context.ts'
import { backupEnv, backupMounts, backupVolumes } from './backup.ts'
import { asksNames, edgeFilterEnv, FILTER_FAILS_CLOSED, type OnFilterFailure, shardFilterEnv } from './edge-filter.ts'
import { edgeLoginsEnv } from './edge-logins.ts'

export const COMPONENT = 'mailnode'
/** The operator takes it off a pod whose node is gone, long before Kubernetes does (rules.md, Pods). */
export const SERVING_LABEL = 'twinpost.io/serving'
/** Says to the shards of a pod that they must not be primary; they read it from a file (services/shard/fence-wish.ts). */
export const FENCED_LABEL = 'twinpost.io/fenced'
const FENCE_FILE = 'fenced'
/** Set on a MailNode it goes into the pod template: another value rolls both members, one after the other. */
export const RESTARTED_AT = 'twinpost.io/restartedAt'
/** An edge serves on until its address has left the Services; its shards hand over meanwhile. */
const EDGE_LEAVES_SECONDS = 3
/** Hand-over of all primaries and the end of sessions fit into it; nothing waits that long in practice. */
const GRACE_SECONDS = 60
export const EDGE_CREDENTIALS = 'edge-credentials'
export const SENDER_SEAL = 'sender-seal'

interface Listener {
  readonly name: ListenerName
  /** Port of the Service. */
  readonly port: number
  /** Port of the container: above 1024, so that no capability is needed. */
  readonly containerPort: number
  readonly setting: string
}
export const LISTENERS: readonly Listener[] = [
  { name: 'smtp', port: 25, containerPort: 2525, setting: 'TWINPOST_SMTP_PORT' },
  { name: 'lmtp', port: 24, containerPort: 2424, setting: 'TWINPOST_LMTP_PORT' },
  { name: 'submission', port: 587, containerPort: 2587, setting: 'TWINPOST_SUBMISSION_PORT' },
  { name: 'submissions', port: 465, containerPort: 2465, setting: 'TWINPOST_SUBMISSIONS_PORT' },
  { name: 'imap', port: 143, containerPort: 2143, setting: 'TWINPOST_IMAP_PORT' },
  { name: 'imaps', port: 993, containerPort: 2993, setting: 'TWINPOST_IMAPS_PORT' },
  { name: 'pop3', port: 110, containerPort: 2110, setting: 'TWINPOST_POP3_PORT' },
  { name: 'pop3s', port: 995, containerPort: 2995, setting: 'TWINPOST_POP3S_PORT' },
]

/** Certificates of the members' roles, by pod name. */
export interface MemberCertificates {
  readonly ca: string
  readonly member: Readonly<Record<string, { readonly cert: string; readonly key: string }>>
  readonly edge: Readonly<Record<string, { readonly cert: string; readonly key: string }>>
}

/** What follows from the present state and not from the resource alone. */
export interface MemberWish {
  /** How many members run: fewer than a pair only while it is hibernated. */
  readonly members: number
  /** How many may be evicted at a time. */
  readonly disruptionsMax: number
  /** Size of the claim template, which no update of a StatefulSet can change; null: as the resource says. */
  readonly claimSize: string | null
  /** As the FilterPool says that the edges ask. */
  readonly onFilterFailure: OnFilterFailure
}
const ALL_MEMBERS: MemberWish = {
  members: MEMBERS_PER_MAILNODE,
  disruptionsMax: 1,
  claimSize: null,
  onFilterFailure: FILTER_FAILS_CLOSED,
}

export function podNames(node: MailNode): string[] {
  return Array.from({ length: MEMBERS_PER_MAILNODE }, (_, member) => `${node.metadata.name}-${member}`)
}

export function shardNames(node: MailNode): string[] {
  return Array.from({ length: node.spec.shards }, (_, index) => `${node.metadata.name}/${index}`)
}

/** Pattern of the stable names of members, for every process that dials shards. */
export function shardHostPattern(context: ArrayContext): string {
  return `{mailNode}-{member}.{mailNode}.${context.namespace}.svc`
}

/** Everything but the certificates, in no particular order. */
export function mailNodeObjects(node: MailNode, context: ArrayContext, wish: MemberWish = ALL_MEMBERS): Manifest[] {
  return [
    headlessService(node, context),
    edgeService(node, context),
    disruptionBudget(node, context, wish.disruptionsMax),
    serviceAccount(node, context),
    ...(context.ledger.kind === 'lease'
      ? [
          ...ledgerLeases(node, context),
          ledgerRole(node, context),
          ledgerRoleBinding(node, context),
          networkPolicy(node, context),
        ]
      : []),
    statefulSet(node, context, wish),
  ]
}

export function headlessService(node: MailNode, context: ArrayContext): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta(node, context, node.metadata.name),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true, // a mirror that is not ready must find its primary
      selector: selector(node),
      ports: shardIndexes(node).map((index) => ({
        name: `link-${index}`,
        port: SHARD_PORT_BASE + index,
        targetPort: `link-${index}`,
      })),
    },
  }
}

export function edgeService(node: MailNode, context: ArrayContext): Service {
  const { type, externalTrafficPolicy, annotations } = node.spec.edge.service
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta(node, context, `${node.metadata.name}-edge`, annotations),
    spec: {
      type,
      ...(type === 'ClusterIP' ? {} : { externalTrafficPolicy }),
      selector: { ...selector(node), [SERVING_LABEL]: 'true' },
      ports: openListeners(node).map(({ name, port }) => ({ name, port, targetPort: name })),
    },
  }
}

export function statefulSet(node: MailNode, context: ArrayContext, wish: MemberWish = ALL_MEMBERS): StatefulSet {
  const { name, annotations = {} } = node.metadata
  const restartedAt = annotations[RESTARTED_AT]
  const { storage, unsafe } = node.spec
  const labels = labelsOf(COMPONENT, name)
  const apart = {
    labelSelector: { matchLabels: selector(node) },
    topologyKey: 'kubernetes.io/hostname',
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: meta(node, context, name),
    spec: {
      serviceName: name,
      replicas: wish.members,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      selector: { matchLabels: selector(node) },
      template: {
        metadata: {
          labels: { ...labels, [SERVING_LABEL]: 'true' },
          ...(restartedAt === undefined ? {} : { annotations: { [RESTARTED_AT]: restartedAt } }),
        },
        spec: {
          serviceAccountName: name,
          automountServiceAccountToken: context.ledger.kind === 'lease',
          ...podDefaults(context),
          terminationGracePeriodSeconds: GRACE_SECONDS,
          securityContext: POD_SECURITY,
          affinity: {
            podAntiAffinity: unsafe.sameHost
              ? { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: apart }] }
              : { requiredDuringSchedulingIgnoredDuringExecution: [apart] },
          },
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'topology.kubernetes.io/zone',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels: selector(node) },
            },
          ],
          containers: [
            ...shardIndexes(node).map((index) => shardContainer(node, context, index)),
            edgeContainer(node, context, wish.onFilterFailure),
            senderContainer(node, context),
          ],
          volumes: volumes(node, context),
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data', labels },
          spec: {
            accessModes: ['ReadWriteOncePod'],
            ...(storage.className === undefined ? {} : { storageClassName: storage.className }),
            resources: { requests: { storage: wish.claimSize ?? storage.size } },
          },
        },
      ],
    },
  }
}

function shardContainer(node: MailNode, context: ArrayContext, index: number): Container {
  const metricsPort = METRICS_PORTS.shardBase + index
  const { inbound, users } = node.spec.durability
  const ledger =
    context.ledger.kind === 'file'
      ? env('TWINPOST_LEDGER_FILE', `${context.ledger.folder}/ledger.sqlite`)
      : env('TWINPOST_LEDGER_NAMESPACE', context.namespace)
  return {
    name: `shard-${index}`,
    image: node.spec.image ?? context.image,
    command: ['node', 'services/shard/main.ts'],
    env: [
      ...podEnv(),
      env('TWINPOST_MAIL_NODE', node.metadata.name),
      env('TWINPOST_SHARD_INDEX', String(index)),
      field('TWINPOST_POD_UID', 'metadata.uid'),
      env('TWINPOST_DATA_DIR', PATHS.data),
      env('TWINPOST_SOCKET_DIR', PATHS.sockets),
      env('TWINPOST_TLS_DIR', `${PATHS.memberTls}/$(TWINPOST_POD)`),
      env('TWINPOST_SHARD_HOST_PATTERN', shardHostPattern(context)),
      env('TWINPOST_DURABILITY_INBOUND', inbound.mode),
      env(
        'TWINPOST_DEGRADED_AFTER_SECONDS',
        String(inbound.degradedAfter === 'never' ? -1 : durationSeconds(inbound.degradedAfter)),
      ),
      env('TWINPOST_DURABILITY_USERS', users),
      env('TWINPOST_HOSTNAME', context.mailHostname),
      env(
        'TWINPOST_GIVE_BACK_AFTER_SECONDS',
        String(node.spec.giveBackAfter === 'never' ? -1 : durationSeconds(node.spec.giveBackAfter)),
      ),
      ...shardFilterEnv(node, context),
      ...backupEnv(node),
      ...(node.spec.expungedRetention === undefined
        ? []
        : [env('TWINPOST_EXPUNGED_RETENTION_SECONDS', String(durationSeconds(node.spec.expungedRetention)))]),
      ledger,
      ...(context.ledger.kind === 'lease' ? [env('TWINPOST_FENCE_FILE', `${PATHS.pod}/${FENCE_FILE}`)] : []),
      env('TWINPOST_METRICS_PORT', String(metricsPort)),
      env('TWINPOST_LOG_LEVEL', context.logLevel),
    ],
    ports: [
      { name: `link-${index}`, containerPort: SHARD_PORT_BASE + index },
      { name: `metrics-${index}`, containerPort: metricsPort },
    ],
    volumeMounts: [
      { name: 'data', mountPath: PATHS.data },
      { name: 'sockets', mountPath: PATHS.sockets },
      { name: 'member-tls', mountPath: PATHS.memberTls, readOnly: true },
      { name: 'tmp', mountPath: PATHS.temporary },
      ...backupMounts(node),
      context.ledger.kind === 'file'
        ? { name: 'ledger', mountPath: context.ledger.folder }
        : { name: 'pod', mountPath: PATHS.pod, readOnly: true },
    ],
    ...containerResources(node.spec.resources.shard),
    ...probesOf(`metrics-${index}`),
    securityContext: CONTAINER_SECURITY,
  }
}

function edgeContainer(node: MailNode, context: ArrayContext, onFilterFailure: OnFilterFailure): Container {
  const { outside } = context
  const readsOutside = outside !== null && asksNames(node)
  const open = openListeners(node).map((listener) => listener.name)
  return {
    name: 'edge',
    image: node.spec.image ?? context.image,
    command: ['node', 'services/edge/main.ts'],
    env: [
      ...podEnv(),
      env('TWINPOST_HOSTNAME', context.mailHostname),
      ...(context.serviceAddress === null ? [] : [env('TWINPOST_SERVICE_ADDRESS', context.serviceAddress)]),
      ...LISTENERS.map(({ name, setting, containerPort }) =>
        env(setting, open.includes(name) ? String(containerPort) : 'null'),
      ),
      env('TWINPOST_METRICS_PORT', String(METRICS_PORTS.edge)),
      env('TWINPOST_PUBLIC_TLS_DIR', PATHS.publicTls),
      env('TWINPOST_TLS_DIR', `${PATHS.edgeTls}/$(TWINPOST_POD)`),
      env('TWINPOST_SOCKET_DIR', PATHS.sockets),
      env('TWINPOST_SHARD_HOST_PATTERN', shardHostPattern(context)),
      env('TWINPOST_DIRECTORY_URL', context.directoryUrl),
      env('TWINPOST_DIRECTORY_PASSWORD_FILE', `${PATHS.credentials}/${DIRECTORY_PASSWORD_KEY}`),
      env('TWINPOST_BASE_DN', context.baseDn),
      env('TWINPOST_NATS_URL', context.natsUrl),
      env('TWINPOST_NATS_PASSWORD_FILE', `${PATHS.credentials}/${NATS_PASSWORD_KEY}`),
      ...authorityEnv(context, ['directory', 'nats']),
      ...(context.postmaster === null ? [] : [env('TWINPOST_POSTMASTER', context.postmaster)]),
      ...edgeFilterEnv(node, context, onFilterFailure),
      ...edgeLoginsEnv(node),
      env('TWINPOST_LOG_LEVEL', context.logLevel),
    ],
    ports: [
      ...openListeners(node).map(({ name, containerPort }) => ({ name, containerPort })),
      { name: 'metrics', containerPort: METRICS_PORTS.edge },
    ],
    volumeMounts: [
      { name: 'sockets', mountPath: PATHS.sockets },
      { name: 'edge-tls', mountPath: PATHS.edgeTls, readOnly: true },
      { name: 'public-tls', mountPath: PATHS.publicTls, readOnly: true },
      { name: 'edge-credentials', mountPath: PATHS.credentials, readOnly: true },
      { name: 'tmp', mountPath: PATHS.temporary },
      ...(readsOutside ? [{ name: 'outside', mountPath: outside.folder, readOnly: true }] : []),
    ],
    ...containerResources(node.spec.resources.edge),
    ...probesOf('metrics'),
    ...(context.ledger.kind === 'lease' ? { lifecycle: { preStop: { sleep: { seconds: EDGE_LEAVES_SECONDS } } } } : {}),
    securityContext: CONTAINER_SECURITY,
  }
}

/** Sends what leaves the queues of the MailNode's shards. Of the edge's house: it has the edge's identity and credentials. */
function senderContainer(node: MailNode, context: ArrayContext): Container {
  const { outside } = context
  return {
    name: 'sender',
    image: node.spec.image ?? context.image,
    command: ['node', 'services/sender/main.ts'],
    env: [
      ...podEnv(),
      env('TWINPOST_MAIL_NODE', node.metadata.name),
      env('TWINPOST_SHARDS', String(node.spec.shards)),
      env('TWINPOST_HOSTNAME', context.mailHostname),
      ...(outside === null
        ? []
        : [
            env('TWINPOST_ZONE_FILE', `${outside.folder}/${OUTSIDE_ZONE}`),
            env('TWINPOST_REMOTE_PORT', String(outside.port)),
          ]),
      ...(context.dnsServers === undefined ? [] : [env('TWINPOST_DNS_SERVERS', context.dnsServers)]),
      env('TWINPOST_METRICS_PORT', String(METRICS_PORTS.sender)),
      env('TWINPOST_TLS_DIR', `${PATHS.edgeTls}/$(TWINPOST_POD)`),
      env('TWINPOST_SOCKET_DIR', PATHS.sockets),
      env('TWINPOST_SHARD_HOST_PATTERN', shardHostPattern(context)),
      env('TWINPOST_DIRECTORY_URL', context.directoryUrl),
      env('TWINPOST_DIRECTORY_PASSWORD_FILE', `${PATHS.credentials}/${DIRECTORY_PASSWORD_KEY}`),
      ...authorityEnv(context, ['directory']),
      env('TWINPOST_BASE_DN', context.baseDn),
      env('TWINPOST_SEAL_FILE', `${PATHS.seal}/${SEAL_KEY}`),
      env('TWINPOST_LOG_LEVEL', context.logLevel),
    ],
    ports: [{ name: 'metrics-sender', containerPort: METRICS_PORTS.sender }],
    volumeMounts: [
      { name: 'sockets', mountPath: PATHS.sockets },
      { name: 'edge-tls', mountPath: PATHS.edgeTls, readOnly: true },
      { name: 'edge-credentials', mountPath: PATHS.credentials, readOnly: true },
      { name: 'sender-seal', mountPath: PATHS.seal, readOnly: true },
      { name: 'tmp', mountPath: PATHS.temporary },
      ...(outside === null ? [] : [{ name: 'outside', mountPath: outside.folder, readOnly: true }]),
    ],
    ...containerResources(node.spec.resources.sender),
    ...probesOf('metrics-sender'),
    securityContext: CONTAINER_SECURITY,
  }
}

function volumes(node: MailNode, context: ArrayContext): Volume[] {
  const { name } = node.metadata
  return [
    { name: 'sockets', emptyDir: {} },
    { name: 'tmp', emptyDir: {} },
    {
      name: 'member-tls',
      secret: { secretName: `${name}-member-tls`, items: certificateItems(node), defaultMode: 0o440 },
    },
    { name: 'edge-tls', secret: { secretName: `${name}-edge-tls`, items: certificateItems(node), defaultMode: 0o440 } },
    {
      name: 'public-tls',
      secret: { secretName: node.spec.edge.certificateSecret ?? context.publicCertificateSecret, defaultMode: 0o440 },
    },
    { name: 'edge-credentials', secret: { secretName: EDGE_CREDENTIALS, defaultMode: 0o440 } },
    { name: 'sender-seal', secret: { secretName: SENDER_SEAL, defaultMode: 0o440 } },
    ...backupVolumes(node),
    ...(context.outside === null
      ? []
      : [{ name: 'outside', hostPath: { path: context.outside.folder, type: 'DirectoryOrCreate' } } as const]),
    context.ledger.kind === 'file'
      ? ({ name: 'ledger', hostPath: { path: context.ledger.folder, type: 'DirectoryOrCreate' } } as const)
      : {
          name: 'pod',
          downwardAPI: {
            items: [{ path: FENCE_FILE, fieldRef: { fieldPath: `metadata.labels['${FENCED_LABEL}']` } } as const],
          },
        },
  ]
}

/** One folder per pod out of one Secret: a template cannot name another Secret for each pod. */
function certificateItems(node: MailNode) {
  return podNames(node).flatMap((pod) => [
    { key: `${pod}.crt`, path: `${pod}/tls.crt` },
    { key: `${pod}.key`, path: `${pod}/tls.key` },
    { key: 'ca.crt', path: `${pod}/ca.crt` },
  ])
}

/** The Secrets that `certificateItems` takes apart. */
export function certificateSecrets(node: MailNode, context: ArrayContext, certificates: MemberCertificates): Secret[] {
  const secret = (name: string, pairs: MemberCertificates['member']): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: meta(node, context, name),
    type: 'Opaque',
    stringData: {
      'ca.crt': certificates.ca,
      ...Object.fromEntries(
        Object.entries(pairs).flatMap(([pod, pair]) => [
          [`${pod}.crt`, pair.cert],
          [`${pod}.key`, pair.key],
        ]),
      ),
    },
  })
  return [
    secret(`${node.metadata.name}-member-tls`, certificates.member),
    secret(`${node.metadata.name}-edge-tls`, certificates.edge),
  ]
}

/** One for both members: 0 while a shard has one copy only, so that no drain takes it. */
export function disruptionBudget(node: MailNode, context: ArrayContext, maxUnavailable = 1): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: meta(node, context, node.metadata.name),
    spec: { maxUnavailable, selector: { matchLabels: selector(node) } },
  }
}

/** Mail ports and probes are for all; the links between processes of ours for these alone (and mutual TLS asks again who they are). */
export function networkPolicy(node: MailNode, context: ArrayContext): NetworkPolicy {
  const ours = { namespaceSelector: {}, podSelector: { matchLabels: { 'app.kubernetes.io/name': 'twinpost' } } }
  const port = (name: string) => ({ protocol: 'TCP', port: name }) as const
  const open = [...openListeners(node).map(({ name }) => name), 'metrics']
  const indexes = shardIndexes(node)
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: meta(node, context, node.metadata.name),
    spec: {
      podSelector: { matchLabels: selector(node) },
      policyTypes: ['Ingress'],
      ingress: [
        { ports: [...open.map(port), ...indexes.map((index) => port(`metrics-${index}`))] },
        { from: [ours], ports: indexes.map((index) => port(`link-${index}`)) },
      ],
    },
  }
}

export function serviceAccount(node: MailNode, context: ArrayContext): ServiceAccount {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: meta(node, context, node.metadata.name),
    automountServiceAccountToken: false,
  }
}

/**
 * The ledgers, empty: members fill them. They belong to the volumes and stay with them, so no MailNode owns them: one that is
 * deleted and applied again on its volumes finds its ledger.
 */
export function ledgerLeases(node: MailNode, context: ArrayContext): Lease[] {
  return ledgerLeaseNames(node).map((name) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { ...metaOf(context, name, COMPONENT), labels: labelsOf(COMPONENT, node.metadata.name) },
  }))
}

function ledgerLeaseNames(node: MailNode): string[] {
  return shardIndexes(node).map((index) => `${node.metadata.name}-${index}`)
}

/** Members read and update the Leases of their own shards by name; the operator makes them. */
export function ledgerRole(node: MailNode, context: ArrayContext): Role {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: meta(node, context, node.metadata.name),
    rules: [
      {
        apiGroups: ['coordination.k8s.io'],
        resources: ['leases'],
        resourceNames: ledgerLeaseNames(node),
        verbs: ['get', 'update'],
      },
    ],
  }
}

export function ledgerRoleBinding(node: MailNode, context: ArrayContext): RoleBinding {
  const { name } = node.metadata
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: meta(node, context, name),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace: context.namespace }],
  }
}

function meta(node: MailNode, context: ArrayContext, name: string, annotations?: Readonly<Record<string, string>>) {
  const { uid } = node.metadata
  const owner: OwnerReference[] =
    uid === undefined
      ? []
      : [
          {
            apiVersion: node.apiVersion,
            kind: node.kind,
            name: node.metadata.name,
            uid,
            controller: true,
            blockOwnerDeletion: true,
          },
        ]
  return {
    ...metaOf(context, name, COMPONENT, annotations === undefined ? {} : { annotations }),
    labels: labelsOf(COMPONENT, node.metadata.name),
    ...(owner.length > 0 ? { ownerReferences: owner } : {}),
  }
}

function podEnv(): EnvVar[] {
  return [field('TWINPOST_POD', 'metadata.name'), field('TWINPOST_LISTEN_HOST', 'status.podIP')]
}

const selector = (node: MailNode) => selectorOf(COMPONENT, node.metadata.name)
const shardIndexes = (node: MailNode) => Array.from({ length: node.spec.shards }, (_, index) => index)
const openListeners = (node: MailNode) => LISTENERS.filter(({ name }) => node.spec.edge.listeners[name])

function env(name: string, value: string): EnvVar {
  return { name, value }
}

function field(name: string, fieldPath: 'metadata.name' | 'metadata.uid' | 'status.podIP'): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } }
}
