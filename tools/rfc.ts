/**
 * `make rfc`: every RFC that code, transcripts or docs cite is in rfc/index.tsv, every one there is cited and has a home.
 * Prints what is not so and exits with 1. Read next: rfc/citations.ts.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkCitations } from './rfc/citations.ts'

const root = join(import.meta.dirname, '..')
const INDEX = 'rfc/index.tsv'
const TEXTS = [
  '{lib,services,operator,cli,sim,e2e,bench}/**/*.{ts,md,ldif}',
  'lib/*/transcripts/*.txt',
  '{docs,deploy}/**/*.{md,yaml}',
  '*.md',
]

const read = (path: string) => ({ path, text: readFileSync(join(root, path), 'utf8') })
const files = globSync(TEXTS, { cwd: root }).sort().map(read)
const problems = checkCitations(files, read(INDEX), (path) => existsSync(join(root, path)))
for (const { path, line, message } of problems) console.error(`${path}:${line}: ${message}`)
if (problems.length > 0) process.exitCode = 1
