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
  level: { type: 'string' },
  allow: { type: 'string', multiple: true },
  deny: { type: 'string', multiple: true },
  forget: { type: 'string', multiple: true },
  grace: { type: 'string' },
  now: { type: 'boolean' },
  reason: { type: 'string' },
  domain: { type: 'string' },
  status: { type: 'string' },
  match: { type: 'string' },
  'dry-run': { type: 'boolean' },
  apply: { type: 'boolean' },
  format: { type: 'string' },
  'no-alias': { type: 'boolean' },
  senders: { type: 'string' },
  scope: { type: 'string', multiple: true },
  since: { type: 'string' },
  jobs: { type: 'string' },
  archive: { type: 'string' },
  secret: { type: 'string' },
  until: { type: 'string' },
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
  /** What of the filter is wished: see `filter-wish.ts`. */
  readonly level: string | null
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly forget: readonly string[]
  /** Days for which a deleted account can be brought back; null: as usual. */
  readonly graceDays: number | null
  /** Delete for good, at once. */
  readonly now: boolean
  readonly reason: string
  readonly domain: string | null
  /** Status of an account. */
  readonly status: string | null
  /** Part of an address, a name, a target. */
  readonly match: string | null
  readonly dryRun: boolean
  /** Carry out a plan that is only shown otherwise. */
  readonly apply: boolean
  readonly format: string | null
  /** A renamed account gives up its old address. */
  readonly noAlias: boolean
  /** Who may write to a group. */
  readonly senders: string | null
  /** What an app password is good for. */
  readonly scopes: readonly string[]
  /** As `2h`, `7d` or a date. */
  readonly since: string | null
  /** Accounts at once. */
  readonly jobs: number | null
  /** Folder of a backup, the file with its secret, and the time to go back to. */
  readonly archive: string | null
  readonly secret: string | null
  readonly until: string | null
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

const NUMBERS = ['lines', 'quota', 'timeout', 'grace', 'jobs'] as const
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
  const numbers: Record<(typeof NUMBERS)[number], number | null> = {
    lines: null,
    quota: null,
    timeout: null,
    grace: null,
    jobs: null,
  }
  for (const key of NUMBERS) {
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
      level: values.level ?? null,
      allow: values.allow ?? [],
      deny: values.deny ?? [],
      forget: values.forget ?? [],
      graceDays: numbers.grace,
      now: values.now ?? false,
      reason: values.reason ?? '',
      domain: values.domain ?? null,
      status: values.status ?? null,
      match: values.match ?? null,
      dryRun: values['dry-run'] ?? false,
      apply: values.apply ?? false,
      format: values.format ?? null,
      noAlias: values['no-alias'] ?? false,
      senders: values.senders ?? null,
      scopes: values.scope ?? [],
      since: values.since ?? null,
      jobs: numbers.jobs,
      archive: values.archive ?? null,
      secret: values.secret ?? null,
      until: values.until ?? null,
    },
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true })
}
