/** What reloading.sh promises to the servers of others that the chart runs. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'twinpost-reloading-'))
after(() => rmSync(folder, { recursive: true }))
for (const name of ['tls', 'auth']) mkdirSync(join(folder, name))

/** A server that says which signals it got. */
const SERVER = `
process.on('SIGHUP', () => console.log('HUP'))
process.on('SIGTERM', () => { console.log('TERM'); process.exit(7) })
console.log('up')
setInterval(() => {}, 1000)
`

function start(script = SERVER) {
  const watched = `${join(folder, 'tls')}:${join(folder, 'auth')}`
  const child = spawn(join(import.meta.dirname, 'reloading.sh'), [watched, process.execPath, '--eval', script], {
    env: { PATH: process.env['PATH'], LOOK_SECONDS: '0.2' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  const listeners = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    for (const listener of listeners) listener()
  })
  const says = (words: string) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (said.includes(words)) resolve()
      }
      listeners.add(look)
      look()
    })
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  return { child, says, ended, said: () => said }
}

test('reloading.sh tells the server of changed files, and hands on the end', { timeout: 20_000 }, async () => {
  writeFileSync(join(folder, 'tls', 'tls.crt'), 'one')
  const server = start()
  await server.says('up')
  await new Promise((resolve) => setTimeout(resolve, 600))
  assert.doesNotMatch(server.said(), /HUP/, 'nothing changed')
  writeFileSync(join(folder, 'tls', 'tls.crt'), 'two')
  await server.says('HUP\n')
  writeFileSync(join(folder, 'auth', 'auth.conf'), 'new')
  await server.says('HUP\nHUP\n')
  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 7)
  assert.match(server.said(), /TERM/)
})

test('reloading.sh ends with a server that ends by itself, at once', { timeout: 5_000 }, async () => {
  assert.equal(await start('process.exit(3)').ended, 3)
})
