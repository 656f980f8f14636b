/**
 * FilterPool: engines behind the milter protocol that the edge asks about each letter. The schema stands so that other
 * resources can name it; no controller acts on it yet, and its status says so by staying empty.
 */
import { z } from 'zod'
import {
  AGE_COLUMN,
  API_VERSION,
  Conditions,
  conditionColumn,
  type KindDefinition,
  LABEL_PATTERN,
  ObjectMetadata,
} from './resource.ts'

export const FilterPoolSpec = z.object({
  replicas: z.int().min(1).max(64).default(2).describe('Pods of the pool.'),
  onFailure: z
    .enum(['tempfail', 'accept'])
    .default('tempfail')
    .describe('What happens to a letter that no pod of the pool can judge: 451, or delivered as it is.'),
  engines: z
    .array(
      z.object({
        name: z.string().max(63).regex(new RegExp(LABEL_PATTERN)).describe('Name in headers, metrics and logs.'),
        address: z.string().max(320).describe('Milter that is asked, as host:port.'),
        timeoutSeconds: z.int().min(1).max(300).default(30).describe('Longest wait for its verdict on one letter.'),
      }),
    )
    .min(1)
    .max(16)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .describe('Engines, asked in this order.'),
})
export type FilterPoolSpec = z.infer<typeof FilterPoolSpec>

export const FilterPoolStatus = z.object({
  observedGeneration: z.int().min(0).optional().describe('Generation that the rest of the status speaks of.'),
  replicas: z.int().min(0).optional().describe('Pods that exist.'),
  selector: z.string().max(1024).optional().describe('Label selector of the pods, for autoscalers.'),
  conditions: Conditions.optional(),
})

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
    'Engines that judge letters over the milter protocol. No controller acts on it yet: applying one changes nothing.',
  spec: FilterPoolSpec,
  status: FilterPoolStatus,
  rules: [],
  columns: [
    conditionColumn('Ready', 'Whether engines answer.'),
    { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas', description: 'Pods wanted.' },
    { name: 'On-Failure', type: 'string', jsonPath: '.spec.onFailure', description: 'What happens without a verdict.' },
    AGE_COLUMN,
  ],
}
