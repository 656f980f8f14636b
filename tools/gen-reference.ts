/**
 * Writes docs/reference/errors.md and docs/reference/metrics.md from what the code declares. With `--check` it writes nothing
 * and fails if a page differs. It loads every module that holds an error catalogue; such modules do nothing when loaded.
 * Read next: reference/errors.ts, reference/metrics.ts.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { createRegistry } from '#lib/metrics/metrics.ts'
import { checkCodes, errorReference, findCatalogues } from './reference/errors.ts'
import { settleGeneratedFiles } from './reference/generated-files.ts'
import { findSeries, metricsReference } from './reference/metrics.ts'
import { readSource } from './tidy/source.ts'

const root = join(import.meta.dirname, '..')
const REPLIES = 'services/edge/smtp/replies.ts'

const Codes = z.record(
  z.string(),
  z.object({
    smtp: z.string().exactOptional(),
    imap: z.string().exactOptional(),
    retry: z.boolean(),
    meaning: z.string(),
  }),
)
const Replies = z.record(z.string(), z.object({ code: z.int(), text: z.string() }))

const sources = globSync('{lib,services,operator,cli}/**/*.ts', { cwd: root })
  .sort()
  .map((path) => readSource(path, readFileSync(join(root, path), 'utf8')))

const { places, problems } = findCatalogues(sources)
const catalogues = await Promise.all(
  places.map(async (place) => ({ ...place, codes: Codes.parse(await exported(place.path, place.constant)) })),
)
problems.push(...checkCodes(catalogues))
const replies = Object.values(Replies.parse(await exported(REPLIES, 'REPLIES')))

const found = findSeries(sources)
problems.push(...found.problems)
const registry = createRegistry('any')
const common = registry.getMetricsAsArray().map((metric) => ({
  name: metric.name,
  help: metric.help,
  type: metric.constructor.name.toLowerCase(),
  labels: [],
  path: 'lib/metrics/metrics.ts',
}))

for (const { path, line, message } of problems) console.error(`${path}:${line}: ${message}`)
if (problems.length > 0) process.exitCode = 1
const files = new Map([
  ['docs/reference/errors.md', errorReference(catalogues, replies)],
  ['docs/reference/metrics.md', metricsReference(found.series, common)],
])
settleGeneratedFiles(root, files, 'the code', process.argv.includes('--check'))

async function exported(path: string, name: string): Promise<unknown> {
  const module: Readonly<Record<string, unknown>> = await import(pathToFileURL(join(root, path)).href)
  return module[name]
}
