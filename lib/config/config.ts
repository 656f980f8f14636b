/**
 * Configuration of a service: one zod object schema with flat camelCase keys, read once at start.
 * Sources, later ones win: defaults of the schema, the YAML or JSON file of `--config`, variables `TWINPOST_<KEY>`
 * (`shardPort` is `TWINPOST_SHARD_PORT`), `--set key=value`. An unknown key in any of them is an error: a typing mistake
 * must not become a default. `--help` prints the whole schema.
 */
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { CodedError, type ErrorSpec, errorMessage } from '#lib/errors/coded-error.ts'

export const CONFIG_ERRORS = {
  CONFIG_INVALID: {
    retry: false,
    meaning: 'A setting is unknown, missing or not of its form; the process ends with exit code 64.',
  },
  CONFIG_UNREADABLE: {
    retry: false,
    meaning: 'The configuration file cannot be read, or holds no mapping of settings.',
  },
  CONFIG_USAGE: { retry: false, meaning: 'An argument of a service is not understood; its --help lists what is.' },
} as const satisfies Record<string, ErrorSpec>

export class ConfigError extends CodedError<keyof typeof CONFIG_ERRORS> {
  override readonly name = 'ConfigError'
}

export interface ConfigSources {
  /** Arguments after the script's name. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readFile: (path: string) => string
}

export type ConfigResult<T> =
  | { readonly kind: 'config'; readonly config: T }
  | { readonly kind: 'help'; readonly text: string }

/** Variables that belong to the command line and the local cluster, not to a service's schema. */
const FOREIGN_VARIABLES: ReadonlySet<string> = new Set(['TWINPOST_HOSTS_FILE', 'TWINPOST_ROOT'])

/**
 * Reads and checks a service's configuration.
 * @param name Command name for the help text.
 * @throws {ConfigError} naming every wrong key, what was found and what is wanted.
 */
export function loadConfig<Schema extends z.ZodObject>(
  name: string,
  schema: Schema,
  sources: ConfigSources,
): ConfigResult<z.infer<Schema>> {
  const fields = describeFields(schema)
  const values: Record<string, unknown> = {}
  const assignments: [string, string][] = []
  for (let i = 0; i < sources.argv.length; i++) {
    const arg = sources.argv[i]
    const value = sources.argv[i + 1]
    if (arg === '--help' || arg === '-h') return { kind: 'help', text: helpText(name, fields) }
    if (arg === '--config' && value !== undefined) {
      Object.assign(values, readFileValues(value, sources.readFile))
      i++
    } else if (arg === '--set' && value?.includes('=')) {
      const equals = value.indexOf('=')
      assignments.push([value.slice(0, equals), value.slice(equals + 1)])
      i++
    } else throw new ConfigError('CONFIG_USAGE', `Cannot use argument ${JSON.stringify(arg)}: see ${name} --help`)
  }
  const byVariable = new Map(fields.map((field) => [field.variable, field]))
  for (const [variable, text] of Object.entries(sources.env)) {
    if (!variable.startsWith('TWINPOST_') || text === undefined || FOREIGN_VARIABLES.has(variable)) continue
    const field = byVariable.get(variable)
    if (!field) throw new ConfigError('CONFIG_INVALID', `Cannot use variable ${variable}: ${name} has no such setting`)
    values[field.key] = fromText(text, field)
  }
  for (const [key, text] of assignments) {
    const field = fields.find((candidate) => candidate.key === key)
    if (!field)
      throw new ConfigError('CONFIG_INVALID', `Cannot set ${JSON.stringify(key)}: ${name} has no such setting`)
    values[key] = fromText(text, field)
  }
  const parsed = schema.strict().safeParse(values)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`)
    throw new ConfigError('CONFIG_INVALID', `Cannot start ${name}: ${problems.join('; ')}`)
  }
  return { kind: 'config', config: parsed.data as z.infer<Schema> }
}

interface Field {
  readonly key: string
  readonly variable: string
  readonly type: string
  readonly required: boolean
  readonly fallback: unknown
  readonly description: string
}

function describeFields(schema: z.ZodObject): Field[] {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  const required = new Set(json.required ?? [])
  return Object.entries(json.properties ?? {}).map(([key, property]) => {
    const detail = typeof property === 'object' ? property : {}
    return {
      key,
      variable: `TWINPOST_${key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()}`,
      type: typeof detail.type === 'string' ? detail.type : detail.enum ? detail.enum.join('|') : 'json',
      required: required.has(key),
      fallback: detail.default,
      description: detail.description ?? '',
    }
  })
}

function fromText(text: string, field: Field): unknown {
  switch (field.type) {
    case 'number':
    case 'integer':
      return text.trim() === '' ? text : Number(text)
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'array':
    case 'object':
    case 'json':
      try {
        return JSON.parse(text)
      } catch {
        return text // the schema says what is wrong with it
      }
    default:
      return text
  }
}

function readFileValues(path: string, readFile: (path: string) => string): Record<string, unknown> {
  try {
    const parsed: unknown = parseYaml(readFile(path))
    if (parsed === null || parsed === undefined) return {}
    if (typeof parsed === 'object' && !Array.isArray(parsed)) return parsed as Record<string, unknown>
  } catch (cause) {
    throw new ConfigError('CONFIG_UNREADABLE', `Cannot read ${path}: ${errorMessage(cause)}`, { cause })
  }
  throw new ConfigError('CONFIG_UNREADABLE', `Cannot use ${path}: it must hold a mapping of settings`)
}

function helpText(name: string, fields: readonly Field[]): string {
  const lines = [
    `${name} [--config FILE] [--set key=value ...]`,
    '',
    'Settings (file key, variable, type, default):',
    '',
  ]
  for (const field of fields) {
    const fallback = field.required ? 'required' : `default ${JSON.stringify(field.fallback ?? null)}`
    lines.push(`  ${field.key}  ${field.variable}  ${field.type}  ${fallback}`)
    if (field.description) lines.push(`      ${field.description}`)
  }
  return `${lines.join('\n')}\n`
}
