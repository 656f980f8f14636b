/**
 * Memory of idle IMAP sessions: how much the processes of a target grow by IDLE_SESSIONS that have selected INBOX and wait
 * in IDLE, divided by their number. Proportional set size, so that pages shared between forked processes count once.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { manyAddresses, secureContext } from '../client/connection.ts'
import { ImapClient } from '../client/imap-client.ts'
import type { Target } from '../target.ts'

export interface MemoryFigures {
  readonly sessions: number
  /** KiB per session, by what the processes do, and of all together. */
  readonly kibPerSession: Readonly<Record<string, number>>
  readonly totalKibPerSession: number
}

/** Time for garbage to be collected and for caches to settle before each reading. */
const SETTLE_MS = 3000
/** Sessions opened at once: all in one moment would measure the handshakes' buffers. */
const AT_ONCE = 20

export async function measureIdleMemory(target: Target, sessions: number): Promise<MemoryFigures> {
  const context = secureContext(target.ca)
  const clients: ImapClient[] = []
  const openSome = async (count: number) => {
    for (let opened = 0; opened < count; opened += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, count - opened) }, (_, i) =>
        openIdle(target, context, opened + i),
      )
      clients.push(...(await Promise.all(some)))
    }
  }
  try {
    await openSome(AT_ONCE) // what the first session loads is not a session's cost
    await sleep(SETTLE_MS)
    const before = await memoryKib(target)
    await openSome(sessions)
    await sleep(SETTLE_MS)
    const after = await memoryKib(target)
    const lost = clients.find((client) => client.ended !== null)
    if (lost) throw new Error(`An idle session was ended: ${lost.ended?.message}`)
    const grown = [...after].map(([role, kib]) => [role, (kib - (before.get(role) ?? 0)) / sessions] as const)
    const totalKibPerSession = grown.reduce((sum, [, kib]) => sum + kib, 0)
    return { sessions, kibPerSession: Object.fromEntries(grown), totalKibPerSession }
  } finally {
    for (const client of clients) client.destroy()
  }
}

async function openIdle(target: Target, context: ReturnType<typeof secureContext>, index: number): Promise<ImapClient> {
  const account = target.accounts[index % target.accounts.length]
  if (account === undefined) throw new Error(`${target.name} has no accounts`)
  const client = await ImapClient.connect(target.imaps, context, account, manyAddresses(target.imaps, index))
  await client.run('SELECT INBOX')
  await client.idle()
  return client
}

async function memoryKib(target: Target): Promise<Map<string, number>> {
  const sums = new Map<string, number>()
  for (const [role, pids] of await target.processes()) {
    for (const pid of pids) sums.set(role, (sums.get(role) ?? 0) + (await pssKib(pid)))
  }
  return sums
}

/** Proportional set size of a process; 0 if it has gone meanwhile. */
async function pssKib(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
  return parsePssKib(text)
}

export function parsePssKib(smapsRollup: string): number {
  return Number(/^Pss:\s+([0-9]+) kB$/m.exec(smapsRollup)?.[1] ?? 0)
}
