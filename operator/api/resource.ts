/**
 * What all custom resources share: metadata, conditions, and the description of a kind that `crd.ts` and `reference.ts`
 * turn into a CustomResourceDefinition and into documentation. The zod schemas are the only source of either.
 */
import { z } from 'zod'

export const GROUP = 'twinpost.io'
export const VERSION = 'v1alpha1'
export const API_VERSION = `${GROUP}/${VERSION}` as const

/** DNS label, as Kubernetes wants names of Services to be (RFC 1035 section 2.3.1). */
export const LABEL_PATTERN = '^[a-z]([-a-z0-9]*[a-z0-9])?$'
/** Kubernetes quantities that make sense for bytes: `10Gi`, `500M`, `1073741824`. */
export const BYTES_PATTERN = '^[1-9][0-9]*(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$'
/** Go durations without fractions, one unit: `30s`, `2m`, `12h`. */
export const DURATION_PATTERN = '^[1-9][0-9]*(s|m|h)$'

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 }

/** Seconds of a duration that matches DURATION_PATTERN. */
export function durationSeconds(duration: string): number {
  return Number(duration.slice(0, -1)) * (SECONDS[duration.slice(-1)] ?? Number.NaN)
}

export const ObjectMetadata = z.object({
  name: z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/),
  namespace: z.string().default('default'),
  uid: z.string().optional(),
  generation: z.int().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
})
export type ObjectMetadata = z.infer<typeof ObjectMetadata>

export const Condition = z.object({
  type: z
    .string()
    .max(316)
    .regex(/^([a-z0-9.-]+\/)?[A-Za-z][A-Za-z0-9]*$/)
    .describe('What the condition is about, in CamelCase.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  observedGeneration: z.int().min(0).optional().describe('Generation of the resource that this was decided on.'),
  lastTransitionTime: z.string().meta({ format: 'date-time' }).describe('When the status last changed.'),
  reason: z.string().min(1).max(1024).describe('Why, as one CamelCase word.'),
  message: z.string().max(32_768).describe('Why, for people.'),
})
export type Condition = z.infer<typeof Condition>

export const Conditions = z
  .array(Condition)
  .max(16)
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
  .describe('What holds now; each condition names the generation it was decided on.')

export interface PrinterColumn {
  readonly name: string
  readonly type: 'string' | 'integer' | 'date'
  readonly jsonPath: string
  readonly description: string
  /** 1: only with `-o wide`. */
  readonly priority?: 1
}

export interface KindDefinition {
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  /** One paragraph for `kubectl explain` and the reference. */
  readonly description: string
  readonly spec: z.ZodObject
  readonly status: z.ZodObject
  readonly columns: readonly PrinterColumn[]
  /** Paths of the scale subresource, where one number of the resource is how many pods there are. */
  readonly scale?: { readonly specReplicas: string; readonly statusReplicas: string; readonly selector: string }
  /** CEL rules on the whole resource, where spec alone does not know enough (its name). */
  readonly rules: readonly CelRule[]
}

export interface CelRule {
  readonly rule: string
  readonly message: string
  readonly fieldPath?: string
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired'
}

/** Puts CEL rules on a schema; they appear in the CRD, zod itself does not evaluate them. */
export function cel(...rules: readonly CelRule[]): Record<string, unknown> {
  return { 'x-kubernetes-validations': rules.map((rule) => ({ ...rule })) }
}

export const conditionColumn = (type: string, description: string, priority?: 1): PrinterColumn => ({
  name: type,
  type: 'string',
  jsonPath: `.status.conditions[?(@.type=='${type}')].status`,
  description,
  ...(priority === undefined ? {} : { priority }),
})
export const AGE_COLUMN: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since creation.',
}
