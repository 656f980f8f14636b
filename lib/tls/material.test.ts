import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Clock } from '#lib/ports/clock.ts'
import { readServerCertificate, readTlsMaterial, watchCertificate, watchTlsMaterial } from './material.ts'

function folderWith(t: { after: (run: () => void) => void }, names: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'twinpost-tls-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const name of names) writeFileSync(join(folder, name), `first ${name}`)
  return folder
}

/** A clock that a test turns by hand: one timer at a time. */
function handClock() {
  let waiting: (() => void) | null = null
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after(_, action) {
      waiting = action
      return () => {
        waiting = null
      }
    },
  }
  return { clock, turn: () => waiting?.(), isWaiting: () => waiting !== null }
}

function replace(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, 'new'), text)
  utimesSync(join(folder, 'new'), 1, text.length)
  renameSync(join(folder, 'new'), join(folder, name))
}

test('a public certificate needs no ca.crt, as Secrets of public authorities have none', (t) => {
  const folder = folderWith(t, ['tls.crt', 'tls.key'])
  assert.deepEqual(readServerCertificate(folder), { cert: 'first tls.crt', key: 'first tls.key' })
  assert.throws(() => readTlsMaterial(folder), /ca\.crt/, 'among ourselves it is never left out')
})

test('watchTlsMaterial() hands over what was replaced, once', (t) => {
  const folder = folderWith(t, ['tls.crt', 'tls.key', 'ca.crt'])
  const { clock, turn, isWaiting } = handClock()
  const seen: string[] = []
  const stop = watchTlsMaterial(
    folder,
    clock,
    10,
    ({ cert }) => seen.push(cert),
    (error) => assert.fail(String(error)),
  )
  turn()
  assert.deepEqual(seen, [])
  replace(folder, 'tls.crt', 'second')
  turn()
  turn()
  assert.deepEqual(seen, ['second'])
  stop()
  assert.equal(isWaiting(), false)
})

test('watchCertificate() goes on after a look that failed', (t) => {
  const folder = folderWith(t, ['tls.crt', 'tls.key'])
  const { clock, turn } = handClock()
  const failures: unknown[] = []
  let changes = 0
  t.after(
    watchCertificate(
      folder,
      clock,
      10,
      () => changes++,
      (error) => failures.push(error),
    ),
  )
  renameSync(join(folder, 'tls.crt'), join(folder, 'away'))
  turn()
  assert.equal(failures.length, 1)
  replace(folder, 'tls.crt', 'second')
  turn()
  assert.equal(changes, 1)
})
