/** The store on the real log and an index file: what was answered is there after the process is gone. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { toShardName, toUid } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { fsck, indexAppliedLsn, openIndex } from '../index/mod.ts'
import { Log } from '../log/log.ts'
import { MailStore } from './mail-store.ts'
import { ANNA, BERT, openByName, recipient } from './testing/world.ts'

async function start(rootPath: string) {
  const disk = new NodeDisk(rootPath)
  const place = { disk, folder: 'index', rootPath }
  const knownUpTo = await indexAppliedLsn(place)
  const shard = toShardName('n1/0')
  const log = await Log.open({ disk, directory: 'log', shard, clock: nodeClock, random: nodeRandom, knownUpTo })
  const { index } = await openIndex({ log, place })
  const store = new MailStore({ log, index, clock: nodeClock, random: nodeRandom })
  const stop = async () => {
    await store.close('stopping')
    index.close()
    await log.close()
  }
  return { log, index, store, stop }
}

test('MailStore finds every letter again on the real log, small and large, byte for byte', async (context) => {
  const rootPath = await mkdtemp(join(tmpdir(), 'twinpost-store-'))
  context.after(() => rm(rootPath, { recursive: true, force: true }))
  const first = await start(rootPath)
  for (const account of [ANNA, BERT]) {
    await first.store.runAccountCommand({ kind: 'own', account, generation: 1, quotaBytes: null, locale: 'en' })
  }
  const bodies = [...Array(40).keys()].map((i) => randomBytes(i % 10 === 9 ? 2_300_000 : 4_000 + i))
  const outcomes = await Promise.all(
    bodies.map((body) =>
      first.store.deliver({ traceId: '', reversePath: '', recipients: [recipient(ANNA), recipient(BERT)] }, [body]),
    ),
  )
  await first.stop()
  const second = await start(rootPath)
  for (const [at, account] of [ANNA, BERT].entries()) {
    const inbox = await openByName(second.store.openImapAccount(account), 'INBOX')
    assert.equal(inbox.view.exists, bodies.length)
    for (const [i, body] of bodies.entries()) {
      const outcome = outcomes[i]?.[at]
      assert.ok(outcome?.kind === 'stored')
      const bytes = inbox.message(toUid(outcome.uid))
      assert.ok(bytes)
      const read = await bytes.read(bytes.sizeBytes - body.length, body.length)
      const hash = (given: Uint8Array) => createHash('sha256').update(given).digest('hex')
      assert.equal(hash(read), hash(body))
    }
  }
  const report = await fsck({ log: second.log, index: second.index, nowMs: nodeClock.nowMs() })
  assert.deepEqual(report.findings, [])
  await second.stop()
})
