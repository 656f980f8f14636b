/**
 * What a FilterPool is made of: pods that ask the engines, a headless Service so that an edge sees each of them, budgets, and who
 * may talk to whom. Pure: the same pool and context give the same bytes. Everything is owned by the pool: nothing of it holds mail.
 */
import type { FilterPool } from '#operator/api/filter-pool.ts'
import type {
  Deployment,
  EnvVar,
  HorizontalPodAutoscaler,
  Manifest,
  NetworkPolicy,
  ObjectMeta,
  PodDisruptionBudget,
  Secret,
  Service,
} from '#operator/cluster/objects.ts'
import type { KeyPair } from '#operator/pki/certificates.ts'
import {
  type ArrayContext,
  CONTAINER_SECURITY,
  containerResources,
  labelsOf,
  METRICS_PORTS,
  PATHS,
  POD_SECURITY,
  podDefaults,
  probesOf,
  selectorOf,
} from '../array-context.ts'
import { COMPONENT as MAIL_NODE } from '../mailnode/build.ts'
import { MILTER_PORT, poolName } from './names.ts'

export const COMPONENT = 'filter'
type Engine = FilterPool['spec']['engines'][number]
/** Program of the pods, below the root of the image. */
export const FILTER_PROGRAM = 'services/filter/main.ts'
/** Longer than the longest an engine may take, so that letters under way get their verdict. */
const GRACE_SECONDS_BEYOND = 10
const DNS_PORT = 53

/** Everything but the certificate. @param seenReplicas Of the Deployment that is there, or null. */
export function filterPoolObjects(pool: FilterPool, context: ArrayContext, seenReplicas: number | null): Manifest[] {
  return [
    service(pool, context),
    disruptionBudget(pool, context),
    networkPolicy(pool, context),
    deployment(pool, context, seenReplicas),
    ...(pool.spec.autoscaling === undefined ? [] : [autoscaler(pool, context, pool.spec.autoscaling)]),
  ]
}

/**
 * With autoscaling the present number is repeated: a field that is owned and then left out would fall back to 1, and the pods of
 * a busy pool would end the moment autoscaling is switched on.
 */
export function replicasOf(pool: FilterPool, seenReplicas: number | null): number {
  const { autoscaling, replicas } = pool.spec
  if (autoscaling === undefined) return replicas
  return Math.max(autoscaling.minReplicas, Math.min(autoscaling.maxReplicas, seenReplicas ?? 0))
}

/** Pods without which the pool is not whole. */
export function wantedReplicas(pool: FilterPool): number {
  return pool.spec.autoscaling?.minReplicas ?? pool.spec.replicas
}

export function deployment(pool: FilterPool, context: ArrayContext, seenReplicas: number | null): Deployment {
  const selector = poolSelector(pool)
  const longestSeconds = Math.max(...pool.spec.engines.map((engine) => engine.timeoutSeconds))
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: meta(pool, context),
    spec: {
      replicas: replicasOf(pool, seenReplicas),
      selector: { matchLabels: selector },
      template: {
        metadata: {
          labels: labelsOf(COMPONENT, pool.metadata.name),
        },
        spec: {
          automountServiceAccountToken: false,
          ...podDefaults(context),
          terminationGracePeriodSeconds: longestSeconds + GRACE_SECONDS_BEYOND,
          securityContext: POD_SECURITY,
          topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
            maxSkew: 1,
            topologyKey,
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: { matchLabels: selector },
          })),
          containers: [
            {
              name: 'filter',
              image: pool.spec.image ?? context.image,
              command: ['node', FILTER_PROGRAM],
              env: [
                field('TWINPOST_POD', 'metadata.name'),
                field('TWINPOST_LISTEN_HOST', 'status.podIP'),
                env('TWINPOST_PORT', String(MILTER_PORT)),
                env('TWINPOST_METRICS_PORT', String(METRICS_PORTS.filter)),
                // Part of the template: other engines roll the pods.
                env('TWINPOST_ENGINES', JSON.stringify(pool.spec.engines.map(engineSetting))),
                ...(learns(pool)
                  ? [
                      env('TWINPOST_PEERS_HOST', `${poolName(pool.metadata.name)}.${context.namespace}.svc`),
                      env('TWINPOST_LEARNED_FILE', `${PATHS.temporary}/learned`),
                    ]
                  : []),
                env('TWINPOST_TLS_DIR', PATHS.serviceTls),
                env('TWINPOST_LOG_LEVEL', context.logLevel),
              ],
              ports: [
                { name: 'milter', containerPort: MILTER_PORT },
                { name: 'metrics', containerPort: METRICS_PORTS.filter },
              ],
              volumeMounts: [
                { name: 'tls', mountPath: PATHS.serviceTls, readOnly: true },
                { name: 'tmp', mountPath: PATHS.temporary },
              ],
              ...containerResources(pool.spec.resources),
              ...probesOf('metrics'),
              securityContext: CONTAINER_SECURITY,
            },
          ],
          volumes: [
            { name: 'tls', secret: { secretName: `${poolName(pool.metadata.name)}-tls`, defaultMode: 0o440 } },
            { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } }, // letters never touch a disk here
          ],
        },
      },
    },
  }
}

/** Its pods keep what users call junk, and tell it to each other. */
function learns(pool: FilterPool): boolean {
  return pool.spec.engines.some(({ kind }) => kind === 'bayes')
}

/** An engine as the filter's own settings have it (services/filter/config.ts). */
function engineSetting({ name, kind, address, url, protect, timeoutSeconds }: Engine) {
  const where = {
    ...(address === undefined ? {} : { address }),
    ...(url === undefined ? {} : { url }),
    ...(protect && { protect }),
  }
  return { kind, name, ...where, timeoutMs: timeoutSeconds * 1_000 }
}

/** Port of an engine that is elsewhere, or null. */
function portOf({ address, url }: Engine): number | null {
  if (address !== undefined) return Number(address.slice(address.lastIndexOf(':') + 1))
  if (url === undefined) return null
  const { port, protocol } = new URL(url)
  return port !== '' ? Number(port) : protocol === 'https:' ? 443 : 80
}

function service(pool: FilterPool, context: ArrayContext): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta(pool, context),
    spec: {
      clusterIP: 'None',
      selector: poolSelector(pool),
      ports: [{ name: 'milter', port: MILTER_PORT, targetPort: 'milter' }],
    },
  }
}

function disruptionBudget(pool: FilterPool, context: ArrayContext): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: meta(pool, context),
    spec: { maxUnavailable: 1, selector: { matchLabels: poolSelector(pool) } },
  }
}

/** In: letters from the edges, and whoever reads metrics. Out: names, and the ports of the engines. */
function networkPolicy(pool: FilterPool, context: ArrayContext): NetworkPolicy {
  const ports = new Set(pool.spec.engines.flatMap((engine) => portOf(engine) ?? []))
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: meta(pool, context),
    spec: {
      podSelector: { matchLabels: poolSelector(pool) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { 'app.kubernetes.io/component': MAIL_NODE } } }],
          ports: [{ protocol: 'TCP', port: 'milter' }],
        },
        // A new pod asks the others what was learned.
        ...(learns(pool)
          ? [
              {
                from: [{ podSelector: { matchLabels: poolSelector(pool) } }],
                ports: [{ protocol: 'TCP' as const, port: 'milter' }],
              },
            ]
          : []),
        { ports: [{ protocol: 'TCP', port: 'metrics' }] },
      ],
      egress: [
        { ports: (['UDP', 'TCP'] as const).map((protocol) => ({ protocol, port: DNS_PORT })) },
        ...(learns(pool)
          ? [
              {
                to: [{ podSelector: { matchLabels: poolSelector(pool) } }],
                ports: [{ protocol: 'TCP' as const, port: MILTER_PORT }],
              },
            ]
          : []),
        // A rule without ports would let everything out.
        ...(ports.size === 0
          ? []
          : [{ ports: [...ports].sort((a, b) => a - b).map((port) => ({ protocol: 'TCP' as const, port })) }]),
      ],
    },
  }
}

function autoscaler(
  pool: FilterPool,
  context: ArrayContext,
  { minReplicas, maxReplicas, cpuPercent }: NonNullable<FilterPool['spec']['autoscaling']>,
): HorizontalPodAutoscaler {
  const target = { type: 'Utilization', averageUtilization: cpuPercent } as const
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: meta(pool, context),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: poolName(pool.metadata.name) },
      minReplicas,
      maxReplicas,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
    },
  }
}

export function certificateSecret(pool: FilterPool, context: ArrayContext, pair: KeyPair, ca: string): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...meta(pool, context), name: `${poolName(pool.metadata.name)}-tls` },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': pair.cert, 'tls.key': pair.key, 'ca.crt': ca },
  }
}

export const poolSelector = (pool: FilterPool) => selectorOf(COMPONENT, pool.metadata.name)

function meta(pool: FilterPool, context: ArrayContext): ObjectMeta {
  const { name, uid } = pool.metadata
  const { apiVersion, kind } = pool
  return {
    name: poolName(pool.metadata.name),
    namespace: context.namespace,
    labels: labelsOf(COMPONENT, name),
    ...(uid === undefined
      ? {}
      : { ownerReferences: [{ apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }] }),
  }
}

const env = (name: string, value: string): EnvVar => ({ name, value })
const field = (name: string, fieldPath: 'metadata.name' | 'status.podIP'): EnvVar => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
})
