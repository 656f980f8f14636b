/** values.yaml, values.schema.json and the reference page out of the schema of the values. Pure: same schema, same text. */
import { Document, isMap, isScalar, type Node, type YAMLMap } from 'yaml'
import { z } from 'zod'

const HEADER =
  ' Generated from tools/chart/values.ts by `make generate`: change it there. Your own values go into a file of yours.'

/** All defaults, each with its meaning above it. */
export function valuesYaml(schema: z.ZodObject): string {
  const document = new Document(schema.parse({}), { aliasDuplicateObjects: false })
  document.commentBefore = HEADER
  if (isMap(document.contents)) comment(document.contents, schema, 0)
  return document.toString({ lineWidth: 0 })
}

function comment(map: YAMLMap, schema: z.ZodObject, depth: number): void {
  for (const pair of map.items) {
    if (!isScalar(pair.key)) continue
    const field = schema.shape[String(pair.key.value)] as z.ZodType | undefined
    if (!field) continue
    const meaning = field.description
    if (meaning) pair.key.commentBefore = ` ${meaning}`
    if (depth === 0) (pair.key as Node).spaceBefore = true
    const inner = unwrapped(field)
    if (inner instanceof z.ZodObject && isMap(pair.value)) comment(pair.value, inner, depth + 1)
  }
}

/** For Helm: JSON Schema draft 7. What Helm itself puts in (`global` of a parent chart) is in the schema. */
export function valuesSchema(schema: z.ZodObject): string {
  const json = z.toJSONSchema(schema, { target: 'draft-7', io: 'input', reused: 'inline' })
  return `${JSON.stringify({ ...json, title: 'Values of the chart twinpost' }, null, 2)}\n`
}

export function valuesReference(schema: z.ZodObject): string {
  const rows: string[] = []
  const walk = (object: z.ZodObject, path: string) => {
    for (const [name, field] of Object.entries(object.shape) as [string, z.ZodType][]) {
      const inner = unwrapped(field)
      const key = path === '' ? name : `${path}.${name}`
      if (inner instanceof z.ZodObject) walk(inner, key)
      else rows.push(`| \`${key}\` | ${typeText(inner)} | ${defaultText(field)} | ${cell(field.description ?? '')} |`)
    }
  }
  walk(schema, '')
  return `# Values of the chart

<!-- Generated from tools/chart/values.ts by \`make generate\`. Do not edit. -->

What \`helm install twinpost charts/twinpost --values mine.yaml\` takes. A key that is not here is refused. How the chart is used:
[charts/twinpost/README.md](../../charts/twinpost/README.md).

| key | type | default | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

function unwrapped(field: z.ZodType): z.ZodType {
  if (field instanceof z.ZodDefault || field instanceof z.ZodPrefault || field instanceof z.ZodOptional)
    return unwrapped(field.unwrap() as z.ZodType)
  return field
}

function typeText(field: z.ZodType): string {
  if (field instanceof z.ZodEnum) return field.options.map((option) => `\`${option}\``).join(', ')
  if (field instanceof z.ZodLiteral) return [...field.values].map((value) => `\`${value}\``).join(', ')
  if (field instanceof z.ZodArray) return 'list'
  if (field instanceof z.ZodRecord) return 'map'
  if (field instanceof z.ZodUnion) return 'string or number'
  if (field instanceof z.ZodNumber) return 'number'
  return field instanceof z.ZodBoolean ? 'boolean' : 'string'
}

function defaultText(field: z.ZodType): string {
  const value = field instanceof z.ZodDefault ? field.def.defaultValue : undefined
  return value === undefined || value === '' ? '' : `\`${JSON.stringify(value).replace(/^"|"$/g, '')}\``
}

const cell = (words: string): string => words.replace(/\|/g, '\\|')
