/**
 * FilterPool: engines behind the milter protocol that the edge asks about each letter. A MailNode names the pool that its edges ask
 * (`spec.edge.filter`); which engines look, and what happens when none of its pods answers, is the pool's to say.
 */
import { z } from 'zod'
import { ContainerResources } from './mail-node.ts'
import {
  AGE_COLUMN,
  API_VERSION,
  Conditions,
  cel,
  conditionColumn,
  type KindDefinition,
  LABEL_PATTERN,
  ObjectMetadata,
} from './resource.ts'

/** Host name or address and port; an IPv6 address is in brackets. */
const HOST_PORT = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]):[1-9][0-9]{0,4}$/

/** A domain name in A-labels and lower case. */
const PROTECTED = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

const HTTP_URL = /^https?:\/\/([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?(\/[^\s]*)?$/

const Engine = z
  .object({
    name: z.string().max(63).regex(new RegExp(LABEL_PATTERN)).describe('Name in headers, metrics and logs.'),
    kind: z
      .enum(['signatures', 'attachments', 'phishing', 'bayes', 'clamd', 'spamd', 'rspamd'])
      .describe('What it is: one of our own, or how another is spoken to.'),
    address: z.string().max(320).regex(HOST_PORT).optional().describe('Where a clamd or spamd is, as host:port.'),
    url: z
      .string()
      .max(512)
      .regex(HTTP_URL)
      .optional()
      .describe('Normal worker of an rspamd, as http://rspamd.mail.svc:11333.'),
    protect: z
      .array(z.string().max(253).regex(PROTECTED))
      .max(100)
      .optional()
      .meta({ 'x-kubernetes-list-type': 'set' })
      .describe("phishing: domains that no other may look like, beside the recipients' own."),
    timeoutSeconds: z.int().min(1).max(300).default(10).describe('Longest wait for its verdict on one letter.'),
  })
  .meta(
    cel(
      {
        rule: "has(self.address) == (self.kind in ['clamd', 'spamd'])",
        message: 'clamd and spamd need address, and no other kind takes one',
      },
      { rule: "!has(self.protect) || self.kind == 'phishing'", message: 'only phishing takes protect' },
      { rule: "has(self.url) == (self.kind == 'rspamd')", message: 'rspamd needs url, and no other kind takes one' },
    ),
  )

const Autoscaling = z
  .object({
    minReplicas: z.int().min(1).max(64).default(2).describe('Fewest pods.'),
    maxReplicas: z.int().min(1).max(64).describe('Most pods.'),
    cpuPercent: z
      .int()
      .min(10)
      .max(100)
      .default(70)
      .describe('Use of the CPU that pods ask for, on average, above which there are more of them.'),
  })
  .meta(cel({ rule: 'self.minReplicas <= self.maxReplicas', message: 'minReplicas cannot be above maxReplicas' }))

export const FilterPoolSpec = z
  .object({
    image: z
      .string()
      .max(512)
      .optional()
      .describe("Image of the pods; the operator's own without it. It must hold the filter service."),
    replicas: z.int().min(1).max(64).default(2).describe('Pods of the pool, where nothing scales it.'),
    autoscaling: Autoscaling.optional().describe('Lets the load say how many pods there are, instead of replicas.'),
    onFailure: z
      .enum(['tempfail', 'accept'])
      .default('tempfail')
      .describe('What happens to a letter that no pod of the pool can judge: 451, or delivered as it is.'),
    engines: z
      .array(Engine)
      .min(1)
      .max(16)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .describe('Engines; all look at a letter at once.'),
    resources: ContainerResources.prefault({}).describe('Resources of the container of each pod.'),
  })
  .meta(
    cel({
      rule: '!has(self.autoscaling) || (has(self.resources.requests) && has(self.resources.requests.cpu))',
      message: 'autoscaling needs resources.requests.cpu: its use is a share of that',
      fieldPath: '.resources',
      reason: 'FieldValueRequired',
    }),
  )
export type FilterPoolSpec = z.infer<typeof FilterPoolSpec>

export const FilterPoolStatus = z.object({
  observedGeneration: z.int().min(0).optional().describe('Generation that the rest of the status speaks of.'),
  phase: z.enum(['Pending', 'Starting', 'Running', 'Degraded']).optional().describe('One word for people.'),
  phaseReason: z.string().max(1024).optional().describe('Why, in words.'),
  replicas: z.int().min(0).optional().describe('Pods that exist.'),
  readyReplicas: z.int().min(0).optional().describe('Pods that take letters.'),
  selector: z.string().max(1024).optional().describe('Label selector of the pods, for autoscalers.'),
  conditions: Conditions.optional(),
})
export type FilterPoolStatus = z.infer<typeof FilterPoolStatus>

export const FilterPool = z.object({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal('FilterPool'),
  metadata: ObjectMetadata,
  spec: FilterPoolSpec.strict(),
  status: FilterPoolStatus.optional(),
})
export type FilterPool = z.infer<typeof FilterPool>

export const filterPoolKind: KindDefinition = {
  kind: 'FilterPool',
  plural: 'filterpools',
  singular: 'filterpool',
  shortNames: ['fp'],
  categories: ['twinpost'],
  description:
    'Pods that judge letters with their engines, asked over the milter protocol: a Deployment with its Service, budgets and NetworkPolicy. Edges of MailNodes that name it ask it.',
  spec: FilterPoolSpec,
  status: FilterPoolStatus,
  rules: [
    {
      rule: 'self.metadata.name.size() <= 52',
      message: 'name must have at most 52 characters: names of pods and Services are made from it',
    },
    {
      rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
      message: 'name must be a DNS label that begins with a letter: a Service is named after it',
    },
  ],
  scale: { specReplicas: '.spec.replicas', statusReplicas: '.status.replicas', selector: '.status.selector' },
  columns: [
    conditionColumn('Ready', 'Whether the pods that are wanted take letters.'),
    { name: 'Pods', type: 'integer', jsonPath: '.status.readyReplicas', description: 'Pods that take letters.' },
    { name: 'On-Failure', type: 'string', jsonPath: '.spec.onFailure', description: 'What happens without a verdict.' },
    AGE_COLUMN,
    {
      name: 'Why',
      type: 'string',
      jsonPath: '.status.phaseReason',
      description: 'Why it is ready or not, in words.',
      priority: 1,
    },
  ],
}
