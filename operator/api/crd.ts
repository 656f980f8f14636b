/**
 * From a kind's zod schemas to its CustomResourceDefinition. What the API server wants of a structural schema and zod does
 * not give by itself is done here: no `$ref`, no `additionalProperties` beside `properties`, a type on every node, no
 * schema keywords it does not know; and only names that are in `ALLOWED_KEYWORDS` get through, so that a new zod
 * feature shows up as an error at generation instead of a CRD that is refused at installation.
 */
import { z } from 'zod'
import { assert } from '#lib/errors/assert.ts'
import { GROUP, type KindDefinition, VERSION } from './resource.ts'

export type JsonSchema = { [keyword: string]: unknown }

const ALLOWED_KEYWORDS: ReadonlySet<string> = new Set([
  'type',
  'format',
  'description',
  'default',
  'enum',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'maxProperties',
  'properties',
  'additionalProperties',
  'required',
  'items',
  'nullable',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
  'x-kubernetes-int-or-string',
])
/** Go's int64 in JSON is safe up to here; zod writes these bounds for every `int()`. */
const INT_BOUND = Number.MAX_SAFE_INTEGER

/** Structural schema of one zod schema. @throws {AssertionFailure} where the schema says what a CRD cannot. */
export function structuralSchema(schema: z.ZodType): JsonSchema {
  const json: unknown = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' })
  return structural(json, '')
}

function structural(node: unknown, path: string): JsonSchema {
  assert(isRecord(node), `schema at ${path || '/'} is an object`)
  const { $schema: _schema, id: _id, ...found } = node
  const result: JsonSchema = { ...found }
  if (isRecord(result['properties'])) {
    delete result['additionalProperties']
    result['properties'] = Object.fromEntries(
      Object.entries(result['properties']).map(([name, child]) => [name, structural(child, `${path}.${name}`)]),
    )
  } else if (isRecord(result['additionalProperties'])) {
    // A map: keys that a pattern or length restricts cannot be said in a structural schema.
    delete result['propertyNames']
    result['additionalProperties'] = structural(result['additionalProperties'], `${path}[*]`)
  }
  if (result['items'] !== undefined) result['items'] = structural(result['items'], `${path}[]`)
  if (result['minimum'] === -INT_BOUND) delete result['minimum']
  if (result['maximum'] === INT_BOUND) delete result['maximum']
  if (result['type'] === 'integer')
    result['format'] = Number(result['maximum'] ?? INT_BOUND) < 2 ** 31 ? 'int32' : 'int64'
  assert(typeof result['type'] === 'string', `schema at ${path || '/'} has a type`)
  for (const keyword of Object.keys(result)) {
    assert(ALLOWED_KEYWORDS.has(keyword), `schema keyword ${keyword} at ${path || '/'} is known to structural schemas`)
  }
  return result
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whole CustomResourceDefinition of a kind, ready for YAML. Same kind, same object. */
export function customResourceDefinition(kind: KindDefinition): Record<string, unknown> {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${GROUP}`, labels: { 'app.kubernetes.io/part-of': 'twinpost' } },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        shortNames: [...kind.shortNames],
        categories: [...kind.categories],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: kind.columns.map((column) => ({ ...column })),
          subresources: {
            status: {},
            ...(kind.scale === undefined
              ? {}
              : {
                  scale: {
                    specReplicasPath: kind.scale.specReplicas,
                    statusReplicasPath: kind.scale.statusReplicas,
                    labelSelectorPath: kind.scale.selector,
                  },
                }),
          },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: kind.description,
              required: ['spec'],
              ...(kind.rules.length > 0 ? { 'x-kubernetes-validations': kind.rules.map((rule) => ({ ...rule })) } : {}),
              properties: {
                apiVersion: { type: 'string', description: 'Version of the schema of this object.' },
                kind: { type: 'string', description: 'Kind of this object.' },
                metadata: { type: 'object' },
                spec: { ...structuralSchema(kind.spec), description: `What is wanted of the ${kind.kind}.` },
                status: { ...structuralSchema(kind.status), description: 'What is; written by the operator.' },
              },
            },
          },
        },
      ],
    },
  }
}
