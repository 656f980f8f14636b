/** The local array as a target: started if it is not running, with accounts of its own that nothing else uses. */
import { execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { MAILBOX_COUNT } from './settings.ts'
import type { Target } from './target.ts'

const run = promisify(execFile)
const root = new URL('..', import.meta.url).pathname
const cli = join(root, 'twinpost')
const data = process.env['TWINPOST_ROOT'] ?? join(root, '.twinpost')
const DOMAIN = 'example.test'
/** For accounts on loopback addresses that hold nothing but the bench's own letters. */
const PASSWORD = 'bench-secret-on-loopback'

const Endpoint = z.object({ host: z.string(), port: z.number() })
const Endpoints = z.object({ smtp: Endpoint, imaps: Endpoint, ca: z.string() })
const Status = z.object({ processes: z.array(z.object({ name: z.string(), pid: z.number().nullish() })) })

export async function openTwinpost(): Promise<Target> {
  const endpoints = (await readEndpoints()) ?? (await startTwinpost())
  const accounts = Array.from({ length: MAILBOX_COUNT }, (_, index) => ({
    address: `bench${String(index + 1).padStart(2, '0')}@${DOMAIN}`,
    password: PASSWORD,
  }))
  await addAccounts(accounts)
  return {
    name: 'twinpost',
    smtp: endpoints.smtp,
    imaps: endpoints.imaps,
    ca: await readFile(resolve(root, endpoints.ca)),
    accounts,
    processes: twinpostProcesses,
  }
}

/** Null if the array is not running. */
async function readEndpoints(): Promise<z.infer<typeof Endpoints> | null> {
  try {
    if ((await processList()).length === 0) return null
    return Endpoints.parse(JSON.parse(await readFile(join(data, 'endpoints.json'), 'utf8')))
  } catch {
    return null
  }
}

async function startTwinpost(): Promise<z.infer<typeof Endpoints>> {
  console.log('bench: the array is not running: make up')
  await new Promise<void>((done, fail) => {
    const child = spawn(cli, ['up', '--no-show'], { cwd: root, stdio: 'inherit' })
    child.once('error', fail)
    child.once('exit', (code) => (code === 0 ? done() : fail(new Error(`make up ended with ${code}`))))
  })
  const endpoints = await readEndpoints()
  if (endpoints === null) throw new Error('make up has left no .twinpost/endpoints.json')
  return endpoints
}

/** Adds those that are not there yet. */
async function addAccounts(accounts: readonly { address: string; password: string }[]): Promise<void> {
  const { stdout } = await run(cli, ['account', 'list', '-o', 'json'], { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  for (const { address, password } of accounts) {
    if (stdout.includes(`"${address}"`)) continue
    await run(cli, ['account', 'add', address, '--password', password], { cwd: root })
  }
}

async function processList(): Promise<{ name: string; pid: number }[]> {
  const { stdout } = await run(cli, ['status', '-o', 'json'], { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  return Status.parse(JSON.parse(stdout)).processes.flatMap(({ name, pid }) => (pid ? [{ name, pid }] : []))
}

/** Shards and edges: who else runs has no part in an idle session. */
async function twinpostProcesses(): Promise<Map<string, number[]>> {
  const byRole = new Map<string, number[]>()
  for (const { name, pid } of await processList()) {
    const role = ['shard', 'edge'].find((known) => name.includes(known))
    if (role !== undefined) byRole.set(role, [...(byRole.get(role) ?? []), pid])
  }
  return byRole
}
