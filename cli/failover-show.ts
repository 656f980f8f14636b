/**
 * The show that ends `up`: the primary of a letter's shard is killed like by a crash, the letter is read from the other member,
 * and the killed one comes back in sync. Only a process of this array is killed, by the pid that its operator knows.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import type { LocalLayout } from '#operator/api/local-layout.ts'
import { primaryOf, shardStatus } from './array-status.ts'
import { operatorStatus } from './control-client.ts'
import type { ImapFacts } from './first-letter.ts'
import { podName, replicasOf } from './members.ts'
import type { Say } from './messages/mod.ts'
import { type ShardLink, withShards } from './shard-link.ts'
import { askReplicas } from './shard-reports.ts'
import { shardWords } from './shard-words.ts'

/** For each of the three waits: a machine that is busy with something else must not fail the show. */
const PATIENCE_MS = 60_000
const POLL_MS = 50

export class ShowError extends Error {
  override readonly name = 'ShowError'
}

export interface ShowOptions {
  readonly layout: LocalLayout
  readonly shard: string
  /** Reads the letter back and compares it with what was sent. */
  readonly readLetter: () => Promise<ImapFacts>
  readonly say: Say
  readonly print: (line: string) => void
}

/** @throws {ShowError} in words for the user */
export function showFailover(options: ShowOptions): Promise<void> {
  return withShards(options.layout, (link) => play(options, link))
}

async function play({ layout, shard, readLetter, say, print }: ShowOptions, link: ShardLink): Promise<void> {
  const look = async () => {
    const { reports, silent } = await askReplicas(link, replicasOf([shard]))
    return shardStatus(shard, reports, silent)
  }
  const paired = async () => {
    const status = await look()
    return status.primary && status.mirror && status.inSync.length > 1
      ? { primary: status.primary, mirror: status.mirror }
      : status
  }
  const untilPaired = async () => {
    const found = await until(paired, (seen) => !('replicas' in seen))
    if (!('replicas' in found)) return found
    const values = { shard, seconds: PATIENCE_MS / 1_000, words: shardWords(found, say) }
    throw new ShowError(say('showNotInSync', values))
  }

  const { primary, mirror } = await untilPaired()
  print(say('showWait', { shard, member: primary.member, other: mirror.member }))
  const startedMs = nodeClock.monotonicMs()
  const seconds = () => ((nodeClock.monotonicMs() - startedMs) / 1_000).toFixed(1)
  const container = `${primary.member}/shard-${shard.slice(shard.indexOf('/') + 1)}`

  const other = replicasOf([shard]).filter(({ member }) => podName(shard, member) === mirror.member)
  // Only the other one is asked: the killed one would answer late or never.
  const relieved = async () => primaryOf((await askReplicas(link, other)).reports) !== null
  const kills = await killUntil(relieved, { layout, container, pid: primary.pid })
  print(
    kills > 1
      ? say('showKilledAgain', { process: container, count: kills - 1, other: mirror.member })
      : say('showKilled', { process: container, pid: primary.pid }),
  )
  let problem = ''
  const letter = await until(
    () =>
      readLetter().catch((error: unknown) => {
        problem = errorMessage(error)
        return null
      }),
    (found) => found !== null,
  )
  const server = (await look()).primary
  if (letter === null || server?.member !== mirror.member) {
    throw new ShowError(say('showNotRead', { seconds: PATIENCE_MS / 1_000, problem: problem || say('noPrimary') }))
  }
  print(say('showRead', { seconds: seconds(), member: mirror.member, ...letter }))
  await untilPaired()
  print(say('showBack', { seconds: seconds(), member: primary.member }))
}

/**
 * Kills the process, and again when the local cluster has restarted it before the other member took over: a machine that
 * crashed would not be back within seconds either.
 * @returns how often it was killed
 */
async function killUntil(
  relieved: () => Promise<boolean>,
  { layout, container, pid }: { readonly layout: LocalLayout; readonly container: string; readonly pid: number },
): Promise<number> {
  const killed = new Set([pid])
  process.kill(pid, 'SIGKILL')
  const attempt = async () => {
    if (await relieved()) return true
    const operator = await operatorStatus(layout.controlSocket)
    const now = operator?.processes.find(({ name }) => name === container)?.pid ?? null
    if (now !== null && !killed.has(now)) {
      killed.add(now)
      process.kill(now, 'SIGKILL')
    }
    return false
  }
  await until(attempt, (done) => done)
  return killed.size
}

/** Tries until `enough` or the patience is over. @returns the last that was found */
async function until<T>(attempt: () => Promise<T>, enough: (found: T) => boolean): Promise<T> {
  const deadlineMs = nodeClock.monotonicMs() + PATIENCE_MS
  for (;;) {
    const found = await attempt()
    if (enough(found) || nodeClock.monotonicMs() >= deadlineMs) return found
    await sleep(nodeClock, POLL_MS)
  }
}
