/** An array of one pair as a target, started and stopped for the measurement. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import { MAILBOX_COUNT } from './settings.ts'
import type { Target } from './target.ts'

const run = promisify(execFile)
const root = new URL('..', import.meta.url).pathname
const cli = join(root, 'twinpost')
/** The array of the bench: one pair, apart from whatever else runs from this checkout. */
const data = join(root, '.twinpost/bench')
const DOMAIN = 'example.test'
/** The member that is stopped to see what one copy takes. */
const SPARE_MEMBER = 'n1-1'
/** For accounts on loopback addresses that hold nothing but the bench's own letters. */
const PASSWORD = 'bench-secret-on-loopback'
const AS_BEFORE_WAIT_MS = 60_000

const Endpoint = z.object({ host: z.string(), port: z.number() })
const Endpoints = z.object({ smtp: Endpoint, imaps: Endpoint, ca: z.string() })
const Status = z.object({
  processes: z.array(z.object({ name: z.string(), pid: z.number().nullish() })),
  shards: z.array(
    z.object({
      inSync: z.array(z.unknown()),
      primary: z.object({ member: z.union([z.string(), z.number()]) }).nullable(),
    }),
  ),
})

export interface TwinpostTarget extends Target {
  /** Stops one member, so that each letter is on one disk only, for as long as `work` takes. */
  withOneCopy<T>(work: (target: Target) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Starts the array of `bench/array` with accounts of its own. */
export async function openTwinpost(): Promise<TwinpostTarget> {
  console.log('bench: starting an array of one pair')
  await twinpost(['up', '--no-show', '--deploy', join(root, 'bench/array')])
  const accounts = Array.from({ length: MAILBOX_COUNT }, (_, index) => ({
    address: `bench${String(index + 1).padStart(2, '0')}@${DOMAIN}`,
    password: PASSWORD,
  }))
  await addAccounts(accounts)
  const target = async (): Promise<Target> => {
    const endpoints = Endpoints.parse(JSON.parse(await readFile(join(data, 'endpoints.json'), 'utf8')))
    return {
      name: 'twinpost',
      smtp: endpoints.smtp,
      imaps: endpoints.imaps,
      ca: await readFile(resolve(root, endpoints.ca)),
      accounts,
      processes: twinpostProcesses,
    }
  }
  return {
    ...(await target()),
    async withOneCopy(work) {
      await twinpost(['stop', SPARE_MEMBER])
      try {
        return await work(await target())
      } finally {
        await twinpost(['start', SPARE_MEMBER])
        await asBefore()
      }
    },
    close: () => twinpost(['down']).then(() => undefined),
  }
}

/** Both copies in sync, and each member primary of a shard again: giving one back ends its sessions. */
async function asBefore(): Promise<void> {
  const giveUpMs = performance.now() + AS_BEFORE_WAIT_MS
  for (;;) {
    const { shards } = await status()
    const primaries = new Set(shards.map(({ primary }) => primary?.member))
    if (shards.every(({ inSync }) => inSync.length === 2) && primaries.size === shards.length) return
    if (performance.now() > giveUpMs) throw new Error('The two members are not as before again')
    await sleep(500)
  }
}

/** Adds those that are not there yet. */
async function addAccounts(accounts: readonly { address: string; password: string }[]): Promise<void> {
  const listed = await twinpost(['account', 'list', '-o', 'json'])
  for (const { address, password } of accounts) {
    if (listed.includes(`"${address}"`)) continue
    await twinpost(['account', 'add', address, '--password', password])
  }
}

/** Shards and edges: who else runs has no part in an idle session. */
async function twinpostProcesses(): Promise<Map<string, number[]>> {
  const byRole = new Map<string, number[]>()
  for (const { name, pid } of (await status()).processes) {
    const role = ['shard', 'edge'].find((known) => name.includes(known))
    if (role !== undefined && pid) byRole.set(role, [...(byRole.get(role) ?? []), pid])
  }
  return byRole
}

async function status(): Promise<z.infer<typeof Status>> {
  return Status.parse(JSON.parse(await twinpost(['status', '-o', 'json'])))
}

/** @returns What the command printed. */
async function twinpost(args: readonly string[]): Promise<string> {
  const env = { ...process.env, TWINPOST_ROOT: data }
  const { stdout } = await run(cli, [...args], { cwd: root, env, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}
