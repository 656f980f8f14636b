/**
 * From the series that services make to docs/reference/metrics.md. Series are read from the source text, because those of a
 * service live as long as its process; what cannot be read is a problem, so that none is left out.
 */
import { isTest, type Problem } from '../tidy/layers.ts'
import { lineOf, type SourceText } from '../tidy/source.ts'

export interface Series {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly help: string
  /** Where it is made. */
  readonly path: string
}

const MADE = /\bnew (Counter|Gauge|Histogram|Summary)\(\{/g
const NAME = /\bname: (['`])(twinpost_[^'`]*)\1/
/** `twinpost_shard_${name}`: the maker's argument ends it. */
const BEGINNING = /^(\w+)\$\{name\}$/
const HELP = /\bhelp: (?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/
const LABELS = /\blabelNames: \[([^\]]*)\]/
/** A function that makes series with a common beginning of their names: `const gauge = (name: string, ...`. */
const MAKER = /\bconst (\w+) = \(name: string,/g

/** All series of production code, in the order of files and lines. */
export function findSeries(sources: readonly SourceText[]): { series: Series[]; problems: Problem[] } {
  const series: Series[] = []
  const problems: Problem[] = []
  for (const { path, text, code } of sources) {
    if (isTest(path) || path.startsWith('tools/')) continue
    for (const made of code.matchAll(MADE)) {
      const [, type = ''] = made
      const block = text.slice(made.index, closingOf(code, made.index + made[0].length))
      const name = NAME.exec(block)?.[2]
      const labels = [...(LABELS.exec(block)?.[1] ?? '').matchAll(/'(\w+)'/g)].map(([, label = '']) => label)
      const prefix = BEGINNING.exec(name ?? '')?.[1]
      if (prefix !== undefined) {
        const maker = [...text.slice(0, made.index).matchAll(MAKER)].at(-1)?.[1]
        const call = new RegExp(`^\\s*${maker}\\(\\s*'(\\w+)',\\s*(?:'((?:[^'\\\\]|\\\\.)*)'|"([^"]*)")`, 'gm')
        const calls = [...text.matchAll(call)]
        if (calls.length === 0)
          problems.push({ path, line: lineOf(text, made.index), message: `Nothing calls ${maker}` })
        for (const [, end = '', single, double] of calls) {
          series.push({ name: prefix + end, type: type.toLowerCase(), labels, help: single ?? double ?? '', path })
        }
        continue
      }
      const help = HELP.exec(block)
      if (name === undefined || help === null) {
        problems.push({ path, line: lineOf(text, made.index), message: `Cannot read name and help of this ${type}` })
      } else series.push({ name, type: type.toLowerCase(), labels, help: help[1] ?? help[2] ?? '', path })
    }
  }
  return { series, problems }
}

/** Offset of the `}` that closes what was opened just before `from`. */
function closingOf(code: string, from: number): number {
  let depth = 1
  let at = from
  while (at < code.length && depth > 0) {
    if (code[at] === '{') depth++
    else if (code[at] === '}') depth--
    at++
  }
  return at
}

/**
 * The page as Markdown.
 * @param common Series that every process has.
 */
export function metricsReference(series: readonly Series[], common: readonly Series[]): string {
  const lines = [
    '# Metrics',
    '',
    '<!-- Generated from the series in the code by `make generate`. Do not edit. -->',
    '',
    'Every process serves `/metrics` (Prometheus text), `/livez` and `/readyz` on a port of its own: edge 9100, shard i 9110 + i,',
    'directory 9120, provision 9130. All series carry the label `service`; no label ever holds an account, an address or a message.',
    'Which of them to watch: [operations](../operations.md). nats-server has its own monitoring on port 8222.',
  ]
  const houses = Map.groupBy(series, ({ path }) => path.split('/').slice(0, 2).join('/'))
  for (const [house, own] of [...houses].filter(([house]) => house !== 'lib/metrics').sort()) {
    lines.push('', `## ${house}`, '', ...table(own))
  }
  lines.push('', '## Every process', '', ...table([...common].sort((a, b) => (a.name < b.name ? -1 : 1))))
  return `${lines.join('\n')}\n`
}

function table(series: readonly Series[]): string[] {
  const rows = series.map(({ name, type, labels, help }) => {
    const cells = [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(' '), help.replaceAll('|', '\\|')]
    return `| ${cells.join(' | ')} |`
  })
  return ['| series | type | labels | meaning |', '|---|---|---|---|', ...rows]
}
