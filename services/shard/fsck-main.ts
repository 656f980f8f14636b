/**
 * `twinpost fsck`: proves the replica directory of a stopped shard. Exit code 0: all is well; 1: something was found; 2: it
 * could not be looked at. Prints words, or JSON with --json.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { fsck, openIndex } from './index/mod.ts'
import { checkLog, type LogProblem } from './log/check.ts'
import { Log } from './log/log.ts'
import { ReplicaDirectory } from './log/replica-directory.ts'
import { SqliteLock } from './log/sqlite-lock.ts'

const { values } = parseArgs({
  options: {
    shard: { type: 'string' },
    'data-dir': { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function main(): Promise<number> {
  const name = values.shard
  const dataDir = values['data-dir']
  if (values.help || !name || !dataDir) {
    process.stdout.write('fsck --shard n1/0 --data-dir FOLDER [--json]   the shard must be stopped\n')
    return values.help ? 0 : 2
  }
  const shard = toShardName(name)
  const folder = `shard-${name.slice(name.indexOf('/') + 1)}`
  const disk = new NodeDisk(dataDir)
  const directory = await ReplicaDirectory.open({
    disk,
    directory: folder,
    shard,
    lock: new SqliteLock(dataDir),
    random: nodeRandom,
    nowMs: nodeClock.nowMs(),
    create: false,
  })
  try {
    if ((await disk.list(directory.logDirectory)).length === 0) {
      process.stdout.write(
        values.json ? `${JSON.stringify({ ok: true, recordCount: 0 })}\n` : `${shard}: no log here yet\n`,
      )
      return 0
    }
    // Before the log is opened: opening mends what it can, and the report is to tell what lay on the disk.
    const damage = (await checkLog({ disk, directory: directory.logDirectory, shard })).problems.filter(isDamage)
    const log = await Log.open({ disk, directory: directory.logDirectory, shard, clock: nodeClock, random: nodeRandom })
    const { index, how } = await openIndex({ log, place: { disk, folder: join(folder, 'index'), rootPath: dataDir } })
    const report = await fsck({ log, index, nowMs: nodeClock.nowMs() })
    index.close()
    await log.close()
    const rotten = log.recovery.rotten
    const ok = report.ok && rotten.length === 0 && damage.length === 0
    if (values.json) process.stdout.write(`${JSON.stringify({ ...report, ok, how, damage, recovery: log.recovery })}\n`)
    else {
      process.stdout.write(
        `${shard}: ${report.recordCount} records, ${report.bodyBytes} bytes of letters, index ${how.kind}\n`,
      )
      if (log.recovery.cut) {
        const { fromLsn, bytes, path } = log.recovery.cut
        process.stdout.write(
          `torn tail: ${bytes} bytes from LSN ${fromLsn} on were never acknowledged; kept in ${path}\n`,
        )
      }
      for (const problem of damage) process.stdout.write(`damaged: ${JSON.stringify(problem)}\n`)
      for (const range of rotten) process.stdout.write(`rotten: ${JSON.stringify(range)} cannot be read\n`)
      for (const finding of report.findings) process.stdout.write(`${finding.kind}: ${finding.words}\n`)
      process.stdout.write(ok ? 'The index equals a rebuild from the log.\n' : 'Problems were found.\n')
    }
    return ok ? 0 : 1
  } finally {
    await directory.close()
  }
}

/** A torn tail and rotten records are told apart by opening the log; what is left is damage that no start would name. */
function isDamage({ kind }: LogProblem): boolean {
  return kind !== 'torn' && kind !== 'rotten'
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`Cannot check: ${errorMessage(error)}\n`)
    process.exitCode = 2
  },
)
