/**
 * The services that an array has once: nats-server, the embedded directory, provisioning, and the Service over all edges.
 * Pure, as mailnode/build.ts. In a cluster the directory is OpenLDAP and NATS its own chart; these objects are for local use.
 */

import { REWRITE_ANNOTATION, SHARED_ADDRESS_ANNOTATION } from '#operator/cluster/annotations.ts'
import type {
  Container,
  Deployment,
  EnvVar,
  Manifest,
  Secret,
  Service,
  StatefulSet,
  Volume,
} from '#operator/cluster/objects.ts'
import {
  type ArrayContext,
  CONTAINER_SECURITY,
  DIRECTORY_PASSWORD_KEY,
  DIRECTORY_PORT,
  labelsOf,
  METRICS_PORTS,
  metaOf,
  NATS_MONITORING_PORT,
  NATS_PASSWORD_KEY,
  NATS_PORT,
  PATHS,
  POD_SECURITY,
  podDefaults,
  probesOf,
  SEAL_KEY,
  selectorOf,
} from '../array-context.ts'
import { COMPONENT, LISTENERS, SENDER_SEAL, SERVING_LABEL, shardHostPattern } from '../mailnode/build.ts'

export const NATS = 'nats'
export const DIRECTORY = 'directory'
export const PROVISION = 'provision'
export const MAIL_SERVICE = 'mail'

export const serviceHost = (name: string, namespace: string): string => `${name}.${namespace}.svc`

export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** A Secret in the layout that lib/tls/material.ts reads. */
export function tlsSecret(context: ArrayContext, name: string, pair: KeyPair, ca: string): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metaOf(context, name, 'certificate'),
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': pair.cert, 'tls.key': pair.key, 'ca.crt': ca },
  }
}

/** Files with passwords of one service, by key. */
export function credentialsSecret(
  context: ArrayContext,
  name: string,
  files: Readonly<Record<string, string>>,
): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metaOf(context, name, 'credentials'),
    type: 'Opaque',
    stringData: files,
  }
}

/**
 * What opens the keys of Domains in the directory (lib/directory/domain-sending.ts): mounted by senders and by nobody else.
 * @param words The newest first
 */
export function senderSeal(context: ArrayContext, words: string): Secret {
  return credentialsSecret(context, SENDER_SEAL, { [SEAL_KEY]: words })
}

/** @param config Text of the configuration file; it holds passwords, so it is a Secret. */
export function natsObjects(context: ArrayContext, config: string): Manifest[] {
  const container: Container = {
    name: NATS,
    image: context.image,
    command: ['nats-server', '--config', `${PATHS.config}/nats.conf`],
    args: ['--addr', '$(POD_IP)', '--http_port', String(NATS_MONITORING_PORT)],
    env: [field('POD_IP', 'status.podIP')],
    ports: [
      { name: 'nats', containerPort: NATS_PORT },
      { name: 'monitoring', containerPort: NATS_MONITORING_PORT },
    ],
    volumeMounts: [
      { name: 'data', mountPath: PATHS.data },
      { name: 'tls', mountPath: PATHS.serviceTls, readOnly: true },
      { name: 'config', mountPath: PATHS.config, readOnly: true },
    ],
    readinessProbe: { httpGet: { path: '/healthz', port: 'monitoring' }, periodSeconds: 5 },
    securityContext: CONTAINER_SECURITY,
  }
  const secret = credentialsSecret(context, 'nats-config', { 'nats.conf': config })
  return [
    { ...secret, metadata: { ...secret.metadata, annotations: { [REWRITE_ANNOTATION]: 'rewrite' } } },
    service(context, NATS, [{ name: 'nats', port: NATS_PORT }]),
    statefulSet(context, NATS, container, [tlsVolume('nats-tls'), secretVolume('config', 'nats-config')]),
  ]
}

export function directoryObjects(context: ArrayContext): Manifest[] {
  const container: Container = {
    name: DIRECTORY,
    image: context.image,
    command: ['node', 'services/directory/main.ts'],
    env: [
      field('TWINPOST_LISTEN_HOST', 'status.podIP'),
      env('TWINPOST_PORT', String(DIRECTORY_PORT)),
      env('TWINPOST_METRICS_PORT', String(METRICS_PORTS.directory)),
      env('TWINPOST_DATA_DIR', PATHS.data),
      env('TWINPOST_TLS_DIR', PATHS.serviceTls),
      env('TWINPOST_CREDENTIALS_FILE', `${PATHS.credentials}/credentials.json`),
      env('TWINPOST_BASE_DN', context.baseDn),
      env('TWINPOST_LOG_LEVEL', context.logLevel),
    ],
    ports: [
      { name: 'ldaps', containerPort: DIRECTORY_PORT },
      { name: 'metrics', containerPort: METRICS_PORTS.directory },
    ],
    volumeMounts: [
      { name: 'data', mountPath: PATHS.data },
      { name: 'tls', mountPath: PATHS.serviceTls, readOnly: true },
      { name: 'credentials', mountPath: PATHS.credentials, readOnly: true },
    ],
    ...probesOf('metrics'),
    securityContext: CONTAINER_SECURITY,
  }
  return [
    service(context, DIRECTORY, [{ name: 'ldaps', port: DIRECTORY_PORT }]),
    statefulSet(context, DIRECTORY, container, [
      tlsVolume('directory-tls'),
      secretVolume('credentials', 'directory-credentials'),
    ]),
  ]
}

export function provisionObjects(context: ArrayContext): Manifest[] {
  const labels = labelsOf(PROVISION, PROVISION)
  const deployment: Deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metaOf(context, PROVISION, PROVISION),
    spec: {
      replicas: 1,
      selector: { matchLabels: selectorOf(PROVISION, PROVISION) },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          ...podDefaults(context),
          terminationGracePeriodSeconds: 30,
          securityContext: POD_SECURITY,
          containers: [
            {
              name: PROVISION,
              image: context.image,
              command: ['node', 'services/provision/main.ts'],
              env: [
                field('TWINPOST_POD', 'metadata.name'),
                field('TWINPOST_LISTEN_HOST', 'status.podIP'),
                env('TWINPOST_METRICS_PORT', String(METRICS_PORTS.provision)),
                env('TWINPOST_TLS_DIR', PATHS.serviceTls),
                env('TWINPOST_DIRECTORY_URL', context.directoryUrl),
                env('TWINPOST_DIRECTORY_PASSWORD_FILE', `${PATHS.credentials}/${DIRECTORY_PASSWORD_KEY}`),
                env('TWINPOST_BASE_DN', context.baseDn),
                env('TWINPOST_NATS_URL', context.natsUrl),
                env('TWINPOST_NATS_PASSWORD_FILE', `${PATHS.credentials}/${NATS_PASSWORD_KEY}`),
                env('TWINPOST_SHARD_HOST_PATTERN', shardHostPattern(context)),
                env('TWINPOST_LOG_LEVEL', context.logLevel),
              ],
              ports: [{ name: 'metrics', containerPort: METRICS_PORTS.provision }],
              volumeMounts: [
                { name: 'tls', mountPath: PATHS.serviceTls, readOnly: true },
                { name: 'credentials', mountPath: PATHS.credentials, readOnly: true },
              ],
              ...probesOf('metrics'),
              securityContext: CONTAINER_SECURITY,
            },
          ],
          volumes: [tlsVolume('provision-tls'), secretVolume('credentials', 'provision-credentials')],
        },
      },
    },
  }
  return [deployment]
}

/** One Service over the edges of all MailNodes: any edge serves any account. */
export function mailService(context: ArrayContext): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metaOf(context, MAIL_SERVICE, 'edge', { annotations: { [SHARED_ADDRESS_ANNOTATION]: 'shared' } }),
    spec: {
      selector: { 'app.kubernetes.io/component': COMPONENT, [SERVING_LABEL]: 'true' },
      ports: LISTENERS.map(({ name, port }) => ({ name, port, targetPort: name })),
    },
  }
}

function service(context: ArrayContext, name: string, ports: readonly { name: string; port: number }[]): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metaOf(context, name, name),
    spec: {
      selector: selectorOf(name, name),
      ports: ports.map((port) => ({ ...port, targetPort: port.name })),
    },
  }
}

function statefulSet(
  context: ArrayContext,
  name: string,
  container: Container,
  volumes: readonly Volume[],
): StatefulSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metaOf(context, name, name),
    spec: {
      serviceName: name,
      replicas: 1,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      selector: { matchLabels: selectorOf(name, name) },
      template: {
        metadata: { labels: labelsOf(name, name) },
        spec: {
          automountServiceAccountToken: false,
          ...podDefaults(context),
          terminationGracePeriodSeconds: 30,
          securityContext: POD_SECURITY,
          containers: [container],
          volumes,
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOncePod'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  }
}

function env(name: string, value: string): EnvVar {
  return { name, value }
}

function field(name: string, fieldPath: 'metadata.name' | 'status.podIP'): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } }
}

const secretVolume = (name: string, secretName: string): Volume => ({
  name,
  secret: { secretName, defaultMode: 0o440 },
})
const tlsVolume = (secretName: string): Volume => secretVolume('tls', secretName)
