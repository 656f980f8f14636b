/**
 * `twinpost backup`: looks at an archive and brings shards back out of it. Exit code 0: all is well; 1: something is missing or
 * damaged; 2: it could not be looked at. Prints words, or JSON with --json.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type AccountId, type ShardName, toAccountId, toShardName } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import type { Archive } from './backup/archive.ts'
import { isComplete, reachOf } from './backup/catalogue.ts'
import { BackupError } from './backup/errors.ts'
import { extractAccount } from './backup/extract.ts'
import { listGenerations, listShards } from './backup/generations.ts'
import { openArchive, REGION_DEFAULT } from './backup/open-archive.ts'
import { readSecret } from './backup/replica-backup.ts'
import { type BackupReport, type BackupSource, replay } from './backup/restore.ts'
import { restoreReplica } from './backup/restore-replica.ts'
import { Seal } from './backup/seal.ts'
import { SqliteLock } from './log/sqlite-lock.ts'

const USAGE = `backup list    --archive FOLDER [--json]                        what is there; needs no secret
backup verify  --archive FOLDER [--secret FILE] [--shard n1/0] [--until TIME] [--json]
                                                              proves every record of the newest state, or of that time
backup restore --archive FOLDER [--secret FILE] --shard n1/0 --pod n1-0 --data-dir VOLUME [--until TIME]
                                                              fills the volume of a stopped member
backup extract --archive FOLDER [--secret FILE] --shard n1/0 --account ID [--until TIME]
                                                              the mail of one account, for a program: lines of JSON, each letter's
                                                              bytes behind its line
FOLDER may also be s3://BUCKET/PREFIX, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL in the environment.
TIME as 2026-11-25T18:00:00Z: the first record that is newer, and all behind it, stays out.
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    archive: { type: 'string' },
    secret: { type: 'string' },
    shard: { type: 'string' },
    pod: { type: 'string' },
    account: { type: 'string' },
    'data-dir': { type: 'string' },
    until: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function main(): Promise<number> {
  const [verb] = positionals
  if (values.help || !values.archive || positionals.length !== 1) return usage(values.help)
  const { AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
  const archive = openArchive(values.archive, {
    endpoint: AWS_ENDPOINT_URL ?? null,
    region: AWS_REGION ?? REGION_DEFAULT,
    accessKeyId: AWS_ACCESS_KEY_ID ?? null,
    secretAccessKey: AWS_SECRET_ACCESS_KEY ?? null,
  })
  const seal = new Seal(values.secret ? readSecret(values.secret) : null, nodeRandom)
  const shards = values.shard ? [toShardName(values.shard)] : (await listShards(archive)).map(toShardName)
  if (shards.length === 0) throw new BackupError('BACKUP_MISSING', `${values.archive} holds no backup of any shard`)
  if (verb === 'list') return list(archive, shards)
  const untilMs = values.until === undefined ? null : timeOf(values.until)
  if (verb === 'verify') {
    let worst = 0
    for (const shard of shards) {
      const outcome = await replay({ archive, seal, shard }, untilMs).then(
        (report) => ({ shard, ok: true as const, ...report }),
        (error: unknown) => ({ shard, ok: false as const, message: errorMessage(error) }),
      )
      if (!outcome.ok) worst = 1
      tell(outcome, outcome.ok ? `${shard}: whole, ${wordsOf(outcome)}` : `${shard}: ${outcome.message}`)
    }
    return worst
  }
  const { pod, 'data-dir': dataDir, shard, account } = values
  if (verb === 'extract' && shard && account) {
    await extract({ archive, seal, shard: toShardName(shard) }, untilMs, toAccountId(account))
    return 0
  }
  if (verb !== 'restore' || !pod || !dataDir || !shard) return usage(false)
  const report = await restoreReplica({
    source: { archive, seal, shard: toShardName(shard) },
    untilMs,
    disk: new NodeDisk(dataDir),
    lock: new SqliteLock(dataDir),
    pod,
    clock: nodeClock,
    random: nodeRandom,
  })
  tell({ shard, pod, ...report }, `${shard}: restored to ${pod}, ${wordsOf(report)}`)
  return 0
}

async function list(archive: Archive, shards: readonly ShardName[]): Promise<number> {
  for (const shard of shards) {
    for (const generation of await listGenerations(archive, shard)) {
      const { lastLsn, newestMs } = reachOf(generation)
      const complete = isComplete(generation)
      const fromMs = generation.base?.atMs ?? null
      tell(
        {
          shard,
          generation: generation.name,
          complete,
          fromMs,
          untilMs: newestMs,
          lastLsn,
          pieces: generation.pieces.length,
        },
        `${shard}  ${generation.name}  ${
          complete && fromMs !== null
            ? `any time from ${iso(fromMs)} to ${iso(Math.max(newestMs, fromMs))}, up to LSN ${lastLsn}`
            : 'not complete yet'
        }`,
      )
    }
  }
  return 0
}

async function extract(source: BackupSource, untilMs: number | null, account: AccountId): Promise<void> {
  const rootPath = mkdtempSync(join(tmpdir(), 'twinpost-extract-'))
  try {
    await extractAccount({
      source,
      untilMs,
      account,
      place: { disk: new NodeDisk(rootPath), folder: 'replica', rootPath },
      clock: nodeClock,
      random: nodeRandom,
      onMailbox: (mailbox) => written(`${JSON.stringify({ mailbox })}\n`),
      async onLetter(letter, bytes) {
        await written(`${JSON.stringify({ letter })}\n`)
        await written(bytes)
      },
    })
  } finally {
    rmSync(rootPath, { recursive: true, force: true })
  }
}

/** To whoever reads, no faster than they do. */
async function written(chunk: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
}

function timeOf(text: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms))
    throw new BackupError('BACKUP_TARGET', `${JSON.stringify(text)} is no time, as 2026-11-25T18:00:00Z`)
  return ms
}

const iso = (ms: number): string => new Date(ms).toISOString()

function wordsOf({ records, lastLsn, lastMs, bytes }: BackupReport): string {
  return `${records} records up to LSN ${lastLsn} of ${iso(lastMs)}, ${bytes} bytes`
}

function tell(facts: object, words: string): void {
  process.stdout.write(values.json ? `${JSON.stringify(facts)}\n` : `${words}\n`)
}

function usage(asked: boolean): number {
  process.stdout.write(USAGE)
  return asked ? 0 : 2
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`${errorMessage(error)}\n`)
    process.exitCode = 2
  },
)
