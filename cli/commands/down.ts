/** `twinpost down` and `twinpost clean`: stops the array and waits until it is gone; clean removes its folder too. */
import { execFile } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import { type CommandContext, Exit } from '../context.ts'
import { stopOperator } from '../control-client.ts'

const run = promisify(execFile)
const POLL_MS = 50
/** The operator's own bound for a clean stop is 90 s. */
const STOP_MS = 100_000

export async function down(context: CommandContext): Promise<Exit> {
  const { layout, say, print, complain } = context
  if (await stopOperator(layout.controlSocket)) {
    print(say('stopping'))
    const deadline = nodeClock.monotonicMs() + STOP_MS
    while (existsSync(layout.operatorFile)) {
      if (nodeClock.monotonicMs() > deadline) {
        complain(say('stopFailed', { seconds: STOP_MS / 1_000, file: layout.operatorLog }))
        return Exit.failed
      }
      await sleep(nodeClock, POLL_MS)
    }
    print(say('stopped', { folder: layout.stateDir }))
    return Exit.done
  }
  const left = await endLeftovers(context)
  print(left.length > 0 ? say('leftovers', { names: left.join(', ') }) : say('wasNotRunning'))
  return Exit.done
}

export async function clean(context: CommandContext): Promise<Exit> {
  const { layout, say, print } = context
  const stopped = await down(context)
  if (stopped !== Exit.done) return stopped
  for (const folder of [layout.runDir, layout.stateDir]) rmSync(folder, { recursive: true, force: true })
  print(say('cleaned', { folder: layout.stateDir }))
  return Exit.done
}

/** What a killed operator left running. @returns names of what was ended */
async function endLeftovers({ layout, sourceDir }: CommandContext): Promise<string[]> {
  if (!existsSync(layout.processesFile) && !existsSync(layout.operatorFile)) return []
  const { stdout } = await run(
    process.execPath,
    [
      join(sourceDir, 'operator/reap-main.ts'),
      ...['--set', `stateDir=${layout.stateDir}`, '--set', `tmpDir=${tmpdir()}`],
    ],
    { env: { PATH: process.env['PATH'], HOME: process.env['HOME'] } },
  )
  return stdout.split('\n').filter((line) => line !== '')
}
