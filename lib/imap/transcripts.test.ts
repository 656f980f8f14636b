/** Every dialogue of `transcripts/` goes as it is written there. `UPDATE=1` rewrites the answers; review that diff. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { runTranscript } from './testing/transcript.ts'

const folder = new URL('./transcripts/', import.meta.url)

for (const file of readdirSync(folder).sort()) {
  test(`transcript ${file} goes as written`, async () => {
    const path = new URL(file, folder)
    const expected = readFileSync(path, 'utf8')
    const actual = await runTranscript(expected)
    if (process.env['UPDATE'] === '1') writeFileSync(path, actual)
    else assert.equal(actual, expected)
  })
}
