/**
 * What can be set when the chart is installed: the single source of values.yaml, values.schema.json and docs/reference/values.md.
 * Objects are strict: a key that is misspelt fails at `helm install` and does not become a default.
 */
import { z } from 'zod'

const QUANTITY = /^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/
const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/

const text = (meaning: string) => z.string().describe(meaning)
const flag = (fallback: boolean, meaning: string) => z.boolean().default(fallback).describe(meaning)
const optional = (meaning: string) => z.string().default('').describe(meaning)
const labels = (meaning: string) => z.record(z.string(), z.string()).default({}).describe(meaning)
/** A part of the Kubernetes API that the chart hands on as it is. */
const handedOn = (meaning: string) => z.record(z.string(), z.unknown()).default({}).describe(meaning)
const listHandedOn = (meaning: string) => z.array(z.record(z.string(), z.unknown())).default([]).describe(meaning)
const size = (fallback: string, meaning: string) => z.string().regex(QUANTITY).default(fallback).describe(meaning)

const amounts = (cpu: string, memory: string) =>
  z.strictObject({
    cpu: z
      .union([z.string().regex(QUANTITY), z.number()])
      .default(cpu)
      .describe('Cores.'),
    memory: z.string().regex(QUANTITY).default(memory).describe('Bytes.'),
  })
const resources = (cpu: string, memory: string, memoryMax: string) =>
  z
    .strictObject({
      requests: amounts(cpu, memory).prefault({}).describe('What the scheduler sets aside.'),
      limits: z
        .strictObject({
          cpu: z
            .union([z.string().regex(QUANTITY), z.number()])
            .optional()
            .describe('Cores.'),
          memory: z.string().regex(QUANTITY).default(memoryMax).describe('Bytes.'),
        })
        .prefault({})
        .describe('What it may use at most.'),
    })
    .prefault({})
    .describe('Resources of each pod.')
const image = (repository: string) =>
  z
    .strictObject({
      repository: z.string().min(1).default(repository).describe('Name without the registry.'),
      tag: optional('Empty: the version of the chart.'),
      digest: z
        .string()
        .regex(/^(sha256:[0-9a-f]{64})?$/)
        .default('')
        .describe('As sha256:...; wins over the tag.'),
    })
    .prefault({})
    .describe('The image.')
const storage = (fallback: string) =>
  z
    .strictObject({
      size: size(fallback, 'Size of each volume.'),
      className: optional("Storage class; empty: the cluster's default."),
    })
    .prefault({})
    .describe('Volumes. They stay when the release is removed.')
const placement = {
  nodeSelector: labels('Labels that a node must have.'),
  tolerations: listHandedOn('Taints that do not matter.'),
}

export const chartValues = z.strictObject({
  global: z
    // Not strict: a chart around this one has global values of its own.
    .looseObject({
      imageRegistry: z
        .string()
        .default('localhost')
        .describe(
          'Registry of all images, as registry.example.com:5000. tools/images/build.sh names images for localhost.',
        ),
      imagePullSecrets: z
        .array(z.strictObject({ name: text('Name of a Secret of the type kubernetes.io/dockerconfigjson.') }))
        .default([])
        .describe('Secrets for pulling images, also those of the mail pods.'),
    })
    .prefault({})
    .describe('What all parts share.'),
  image: image('twinpost/twinpost'),
  imagePullPolicy: z
    .enum(['IfNotPresent', 'Always', 'Never'])
    .default('IfNotPresent')
    .describe('When images are pulled.'),
  mail: z
    .strictObject({
      hostname: z
        .string()
        .regex(HOST_NAME)
        .default('mail.example.com')
        .describe('Name that clients and other servers see, in lower case: the MX and what users type.'),
      postmaster: optional('Address that gets mail for postmaster and abuse where a Domain has no such address.'),
      service: z
        .strictObject({
          enabled: flag(true, 'One Service over the edges of all MailNodes: any edge serves any account.'),
          type: z.enum(['LoadBalancer', 'NodePort', 'ClusterIP']).default('LoadBalancer').describe('Its type.'),
          externalTrafficPolicy: z
            .enum(['Local', 'Cluster'])
            .default('Local')
            .describe("Local keeps the client's address, which SPF, limits and Received fields need."),
          loadBalancerClass: optional('Which load balancer, where a cluster has several.'),
          annotations: labels('Annotations for the load balancer.'),
          nodePorts: z
            .partialRecord(
              z.enum(['smtp', 'submission', 'submissions', 'imap', 'imaps', 'pop3', 'pop3s']),
              z.int().min(1).max(65_535),
            )
            .default({})
            .describe('Ports of the nodes by listener, as imaps: 30993; others are chosen by Kubernetes.'),
        })
        .prefault({})
        .describe('How mail comes in and users reach it.'),
      certificate: z
        .strictObject({
          source: z
            .enum(['own', 'secret', 'cert-manager'])
            .default('own')
            .describe(
              'own: made by the operator, trusted by no client, good for a first look. secret: in secretName. cert-manager: ordered by the chart.',
            ),
          secretName: z.string().min(1).default('public-tls').describe('Secret of the type kubernetes.io/tls.'),
          issuerRef: z
            .strictObject({
              name: optional('Name of the issuer.'),
              kind: z.enum(['Issuer', 'ClusterIssuer']).default('ClusterIssuer').describe('Its kind.'),
            })
            .prefault({})
            .describe('Issuer of cert-manager.'),
          dnsNames: z.array(z.string()).default([]).describe('Names beside hostname, for cert-manager.'),
        })
        .prefault({})
        .describe('The certificate that mail clients see.'),
    })
    .prefault({})
    .describe('The array as the outside sees it.'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least severe level that is logged.'),
  crds: z
    .strictObject({
      install: flag(true, 'Whether this release brings the custom resource definitions; of several releases one may.'),
    })
    .prefault({})
    .describe('Custom resource definitions. They stay when the release is removed.'),
  keep: flag(
    true,
    'What mail needs (directory, resolver, mail Service) stays when the release is removed, and a new release finds it. false: it goes.',
  ),
  networkPolicy: z
    .strictObject({ enabled: flag(true, 'Only the parts that must may reach NATS, directory and resolver.') })
    .prefault({})
    .describe('Network policies.'),
  priorityClassName: optional('Priority class of all pods of the chart.'),
  operator: z
    .strictObject({
      replicas: z.int().min(1).max(3).default(2).describe('One works, the others stand by.'),
      resources: resources('50m', '160Mi', '512Mi'),
      ...placement,
    })
    .prefault({})
    .describe('The operator. It is not in the path of mail.'),
  provision: z
    .strictObject({ resources: resources('20m', '128Mi', '384Mi'), ...placement })
    .prefault({})
    .describe('Provisioning: creates, changes and deletes accounts.'),
  nats: z
    .strictObject({
      url: optional('Address of a NATS of your own, as tls://nats.example.com:4222; empty: one comes with the chart.'),
      authority: z
        .enum(['array', 'credentials'])
        .default('array')
        .describe(
          'Who signed the certificate of url: the authority of the array (Secret twinpost-ca), or the one in the Secret twinpost-credentials under nats-ca.crt.',
        ),
      image: image('twinpost/nats'),
      replicas: z.literal([1, 3]).default(3).describe('Servers, and copies of each stream.'),
      storage: storage('10Gi'),
      resources: resources('50m', '128Mi', '1Gi'),
      ...placement,
    })
    .prefault({})
    .describe('Events. NATS being away delays events and account changes; it stops no mail.'),
  directory: z
    .strictObject({
      url: optional(
        'Address of an LDAP directory of your own, as ldaps://ldap.example.com; empty: OpenLDAP comes with the chart.',
      ),
      authority: z
        .enum(['array', 'credentials'])
        .default('array')
        .describe(
          'Who signed the certificate of url: the authority of the array (Secret twinpost-ca), or the one in the Secret twinpost-credentials under directory-ca.crt.',
        ),
      baseDn: z
        .string()
        .regex(/^o=[A-Za-z0-9 ._-]+(,[A-Za-z]+=[A-Za-z0-9 ._-]+)*$/)
        .default('o=twinpost')
        .describe('Suffix of the tree. Fixed at the first installation.'),
      image: image('twinpost/openldap'),
      replicas: z.literal([1, 2]).default(2).describe('Servers in mirror mode: both are read, one is written to.'),
      storage: storage('5Gi'),
      resources: resources('50m', '64Mi', '512Mi'),
      ...placement,
    })
    .prefault({})
    .describe('Accounts, addresses and passwords.'),
  resolver: z
    .strictObject({
      enabled: flag(true, 'A validating resolver (unbound) for mail that leaves.'),
      image: image('twinpost/resolver'),
      replicas: z.int().min(1).max(10).default(2).describe('Pods.'),
      forwarders: z
        .array(z.string())
        .default([])
        .describe(
          'Addresses of resolvers that are asked, where the Internet cannot be. They must hand on DNSSEC records.',
        ),
      resources: resources('20m', '32Mi', '256Mi'),
      ...placement,
    })
    .prefault({})
    .describe('DNS with DNSSEC.'),
  monitoring: z
    .strictObject({
      podMonitor: z
        .strictObject({
          enabled: flag(false, 'PodMonitors for the Prometheus operator.'),
          interval: z
            .string()
            .regex(/^[0-9]+(s|m)$/)
            .default('30s')
            .describe('How often series are read.'),
          labels: labels('Labels that your Prometheus selects by.'),
        })
        .prefault({})
        .describe('What is read.'),
      rules: z
        .strictObject({
          enabled: flag(false, 'A PrometheusRule with the alerts of docs/operations.md.'),
          labels: labels('Labels that your Prometheus selects by.'),
        })
        .prefault({})
        .describe('Alerts.'),
      dashboard: z
        .strictObject({
          enabled: flag(false, 'A ConfigMap with a Grafana dashboard.'),
          labels: z
            .record(z.string(), z.string())
            .default({ grafana_dashboard: '1' })
            .describe("Labels that Grafana's sidecar selects by."),
        })
        .prefault({})
        .describe('Pictures.'),
    })
    .prefault({})
    .describe('Monitoring.'),
  extraPodLabels: labels('Labels of all pods of the chart.'),
  podSecurityContext: handedOn('Added to the security context of all pods, as runAsUser on OpenShift.'),
})
export type ChartValues = z.infer<typeof chartValues>
