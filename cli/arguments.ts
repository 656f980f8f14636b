/** The command line as a value. Pure; what a command means is in commands/. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { errorMessage } from '#lib/errors/coded-error.ts'

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  output: { type: 'string', short: 'o' },
  follow: { type: 'boolean', short: 'f' },
  lines: { type: 'string', short: 'n' },
  password: { type: 'string' },
  name: { type: 'string' },
  quota: { type: 'string' },
  home: { type: 'string' },
  deploy: { type: 'string' },
  timeout: { type: 'string' },
  'no-show': { type: 'boolean' },
  force: { type: 'boolean' },
  member: { type: 'string' },
  'i-confirm-stopped': { type: 'string' },
  to: { type: 'string' },
  from: { type: 'string' },
  state: { type: 'string' },
  lang: { type: 'string' },
} as const satisfies ParseArgsConfig['options']

export interface Options {
  readonly output: 'table' | 'json'
  readonly follow: boolean
  readonly lines: number
  readonly password: string | null
  readonly name: string | null
  readonly quotaBytes: number | null
  readonly home: string | null
  readonly deploy: string | null
  readonly timeoutS: number
  /** `up` ends with a primary killed, unless this is false. */
  readonly show: boolean
  readonly force: boolean
  readonly member: number | null
  /** Pod that the administrator says is stopped. */
  readonly confirmStopped: string | null
  /** Address or domain of a recipient in the queue. */
  readonly to: string | null
  /** Reverse-path of a letter in the queue. */
  readonly from: string | null
  readonly state: string | null
}

export type CommandLine =
  | { readonly kind: 'help'; readonly lang: string | undefined }
  | {
      readonly kind: 'command'
      readonly lang: string | undefined
      readonly words: readonly string[]
      readonly options: Options
    }
  | { readonly kind: 'mistake'; readonly lang: string | undefined; readonly problem: string }

const LINES = 40
const TIMEOUT_S = 120

export function parseCommandLine(argv: readonly string[]): CommandLine {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(argv)
  } catch (error) {
    return { kind: 'mistake', lang: undefined, problem: (errorMessage(error).split('. ')[0] ?? '').trim() }
  }
  const { values, positionals } = parsed
  const { lang } = values
  if (values.help || positionals.length === 0 || positionals[0] === 'help') return { kind: 'help', lang }
  const output = values.output ?? 'table'
  if (output !== 'table' && output !== 'json') return { kind: 'mistake', lang, problem: `--output ${output}` }
  const numbers: Record<'lines' | 'quota' | 'timeout', number | null> = { lines: null, quota: null, timeout: null }
  for (const key of ['lines', 'quota', 'timeout'] as const) {
    const text = values[key]
    if (text === undefined) continue
    const number = Number(text)
    if (!Number.isSafeInteger(number) || number < 1) return { kind: 'mistake', lang, problem: `--${key} ${text}` }
    numbers[key] = number
  }
  const { member } = values
  if (member !== undefined && !/^[01]$/.test(member)) return { kind: 'mistake', lang, problem: `--member ${member}` }
  return {
    kind: 'command',
    lang,
    words: positionals,
    options: {
      output,
      follow: values.follow ?? false,
      lines: numbers.lines ?? LINES,
      password: values.password ?? null,
      name: values.name ?? null,
      quotaBytes: numbers.quota,
      home: values.home ?? null,
      deploy: values.deploy ?? null,
      timeoutS: numbers.timeout ?? TIMEOUT_S,
      show: !(values['no-show'] ?? false),
      force: values.force ?? false,
      member: member === undefined ? null : Number(member),
      confirmStopped: values['i-confirm-stopped'] ?? null,
      to: values.to ?? null,
      from: values.from ?? null,
      state: values.state ?? null,
    },
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true })
}
