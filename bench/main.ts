/**
 * `make bench`: the same work on Twinpost and, where they are installed, on Postfix and Dovecot, one after the other in one
 * run on this machine. Prints a table and writes .twinpost/bench.json. Nothing here asserts a time.
 *
 * Arguments: `--only twinpost|peers` measures one side; `--part deliver|deliverOneCopy|deliverPerConnection|imap|idleMemory` one part.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { peersInstalled, peerVersions, startPeers, stopPeers } from './peers.ts'
import { type Figures, ratios, table } from './report.ts'
import { IDLE_SESSIONS, SECONDS } from './settings.ts'
import type { Target } from './target.ts'
import { openTwinpost, type TwinpostTarget } from './twinpost.ts'
import { measureDeliveries } from './work/deliver.ts'
import { measureIdleMemory } from './work/idle-memory.ts'
import { measureImapMix } from './work/imap-mix.ts'

const root = new URL('..', import.meta.url).pathname
const { values: args } = parseArgs({ options: { only: { type: 'string' }, part: { type: 'string' } } })

/** Measures one part; a failure is told and leaves a gap, so that the rest is still measured. */
async function part<T>(target: Target, name: keyof Figures, measure: () => Promise<T>): Promise<T | null> {
  if (args.part !== undefined && args.part !== name) return null
  process.stdout.write(`bench: ${target.name}: ${name} `)
  const startMs = performance.now()
  try {
    const figures = await measure()
    process.stdout.write(`(${((performance.now() - startMs) / 1000).toFixed(1)} s)\n`)
    return figures
  } catch (error) {
    process.stdout.write(`failed: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
    return null
  }
}

async function measureAll(target: Target | TwinpostTarget): Promise<Figures> {
  return {
    deliver: await part(target, 'deliver', () => measureDeliveries(target, true, SECONDS)),
    deliverOneCopy:
      'withOneCopy' in target
        ? await part(target, 'deliverOneCopy', () =>
            target.withOneCopy((alone) => measureDeliveries(alone, true, SECONDS)),
          )
        : null,
    deliverPerConnection: await part(target, 'deliverPerConnection', () => measureDeliveries(target, false, SECONDS)),
    imap: await part(target, 'imap', () => measureImapMix(target, SECONDS)),
    idleMemory: await part(target, 'idleMemory', () => measureIdleMemory(target, IDLE_SESSIONS)),
  }
}

async function measurePeers(): Promise<{ figures: Figures; versions: string } | null> {
  if (args.only === 'twinpost') return null
  if (!peersInstalled()) {
    console.log('bench: Postfix and Dovecot are not installed: bench/peers/install gets them for a comparison')
    return null
  }
  const target = await startPeers()
  try {
    return { figures: await measureAll(target), versions: await peerVersions() }
  } finally {
    await stopPeers()
  }
}

async function measureTwinpost(): Promise<Figures | null> {
  if (args.only === 'peers') return null
  const target = await openTwinpost()
  try {
    return await measureAll(target)
  } finally {
    await target.close()
  }
}

const ours = await measureTwinpost()
const peers = await measurePeers()

const result = {
  at: new Date().toISOString(),
  machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), node: process.version },
  seconds: SECONDS,
  peerVersions: peers?.versions ?? null,
  twinpost: ours,
  peers: peers?.figures ?? null,
  ratios: ours === null ? null : ratios(ours, peers?.figures ?? null),
}
await mkdir(join(root, '.twinpost'), { recursive: true })
await writeFile(join(root, '.twinpost/bench.json'), `${JSON.stringify(result, null, 2)}\n`)
console.log(`\n${table(ours, peers?.figures ?? null)}\n`)
if (peers) console.log(`peers: ${peers.versions}`)
console.log('ratio above 1: Twinpost is faster, or smaller. Details: .twinpost/bench.json')
