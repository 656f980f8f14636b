import { z } from 'zod'
import { logLevel } from '#lib/config/settings.ts'

const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Settings of the operator in a cluster; `node operator/kubernetes-main.ts --help` prints them. */
export const KubernetesOperatorConfig = z.object({
  namespace: z
    .string()
    .regex(NAMESPACE)
    .describe('Namespace of the operator itself: its Lease and its authority are there.'),
  watchNamespace: z
    .string()
    .regex(NAMESPACE)
    .nullable()
    .default(null)
    .describe('The one namespace whose resources are looked after; null: all of them.'),
  pod: z.string().min(1).describe('Name of the pod.'),
  podUid: z.string().min(1).describe('UID of the pod: with the name it is who leads.'),
  image: z.string().min(1).describe('Image of all services, where a resource names none.'),
  mailHostname: z.string().min(1).describe('Name that clients see in greetings and Received fields.'),
  baseDn: z.string().default('o=twinpost').describe('Suffix of the directory tree.'),
  directoryUrl: z.string().describe('LDAPS address of the directory, for reading.'),
  directoryWriterUrl: z
    .string()
    .nullable()
    .default(null)
    .describe('LDAPS address of the directory for writing; null: the same as for reading.'),
  directoryPods: z
    .boolean()
    .default(false)
    .describe("Whether the directory is the chart's OpenLDAP: then the server that takes writes is chosen here."),
  natsUrl: z.string().describe('Address of the NATS servers.'),
  publicCertificateSecret: z
    .string()
    .default('public-tls')
    .describe('Secret with the certificate clients see, where a MailNode names none.'),
  ownPublicCertificate: z
    .boolean()
    .default(false)
    .describe('Whether that certificate is made here, by an authority that no mail client knows.'),
  postmaster: z.string().nullable().default(null).describe('Account for postmaster and abuse where a Domain has none.'),
  dnsServers: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Name servers for mail that leaves, by name or address, or as tls://name, with commas between; null: the cluster's.",
    ),
  otherAuthorities: z
    .array(z.enum(['directory', 'nats']))
    .default([])
    .describe("Servers whose authority is not the array's but in the Secret twinpost-credentials, as <server>-ca.crt."),
  imagePullSecrets: z.array(z.string()).default([]).describe('Names of Secrets that images of pods are pulled with.'),
  workers: z.int().min(1).max(64).default(4).describe('How many resources are worked on at a time.'),
  listenHost: z.string().default('0.0.0.0').describe('Address of /metrics, /livez, /readyz.'),
  metricsPort: z.int().min(1).max(65_535).default(9140).describe('Port of /metrics, /livez, /readyz.'),
  logLevel: logLevel(),
  stopSeconds: z.int().min(1).default(20).describe('Bound of a clean stop: then the process exits anyway.'),
})
export type KubernetesOperatorConfig = z.infer<typeof KubernetesOperatorConfig>
