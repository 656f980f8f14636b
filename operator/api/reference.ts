/** From the structural schemas of all kinds to docs/reference/crds.md: one table per kind, a row per field. */
import { type JsonSchema, structuralSchema } from './crd.ts'
import { API_VERSION, type KindDefinition } from './resource.ts'

/** The page as Markdown. Same kinds, same bytes. */
export function crdReference(kinds: readonly KindDefinition[]): string {
  const lines = [
    '# Custom resources',
    '',
    '<!-- Generated from operator/api by `make generate`. Do not edit. -->',
    '',
    `All kinds are of \`${API_VERSION}\` and live in a namespace. Fields without a default may be left out unless they are required.`,
  ]
  for (const kind of kinds) {
    lines.push('', `## ${kind.kind}`, '', kind.description, '')
    lines.push(`Short names: ${kind.shortNames.map((name) => `\`${name}\``).join(', ')}.`, '')
    lines.push('| field | type | default | meaning |', '|---|---|---|---|')
    lines.push(...rows('spec', structuralSchema(kind.spec)), ...rows('status', structuralSchema(kind.status)))
    const rules = kind.rules.map((rule) => rule.message)
    if (rules.length > 0) lines.push('', `Also: ${rules.join('; ')}.`)
  }
  return `${lines.join('\n')}\n`
}

function rows(path: string, schema: JsonSchema): string[] {
  const properties = isRecord(schema['properties']) ? schema['properties'] : {}
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  return Object.entries(properties).flatMap(([name, value]) => {
    if (!isRecord(value)) return []
    const at = `${path}.${name}`
    const items = isRecord(value['items']) ? value['items'] : null
    const row = [`\`${at}\``, typeName(value), defaultText(value, required.includes(name)), meaning(value)]
    const children = items ? rows(`${at}[]`, items) : rows(at, value)
    return [`| ${row.join(' | ')} |`, ...children]
  })
}

function typeName(schema: JsonSchema): string {
  if (Array.isArray(schema['enum'])) return schema['enum'].map((value) => `\`${value}\``).join(' ')
  if (schema['type'] === 'array') return `list of ${isRecord(schema['items']) ? typeName(schema['items']) : 'anything'}`
  if (isRecord(schema['additionalProperties'])) return `map to ${typeName(schema['additionalProperties'])}`
  if (schema['type'] === 'integer' && schema['minimum'] !== undefined && schema['maximum'] !== undefined) {
    return `integer ${schema['minimum']} to ${schema['maximum']}`
  }
  return String(schema['type'])
}

function defaultText(schema: JsonSchema, required: boolean): string {
  if (isRecord(schema['default'])) return ''
  if (schema['default'] !== undefined) return `\`${JSON.stringify(schema['default']).replaceAll('"', '')}\``
  return required ? 'required' : ''
}

function meaning(schema: JsonSchema): string {
  const rules = Array.isArray(schema['x-kubernetes-validations']) ? schema['x-kubernetes-validations'] : []
  const messages = rules.flatMap((rule: unknown) => (isRecord(rule) ? [`Rule: ${rule['message']}.`] : []))
  return [String(schema['description'] ?? ''), ...messages].join(' ').replaceAll('|', '\\|').trim()
}

function isRecord(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
