/**
 * Measures what one delivered letter costs in the store: `node services/shard/mailbox/measure/deliver.ts [letters]`.
 * Log in memory (its disk is measured elsewhere), index in memory and in a file; 20 accounts, 4 KiB, 50 senders at a time.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AccountId, toAccountId } from '#lib/mail/types.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { nodeRandom } from '#lib/platform/node-random.ts'
import { SqliteIndex } from '../../index/sqlite-index.ts'
import { MailStore } from '../mail-store.ts'
import { MemoryLog } from '../testing/memory-log.ts'

const LETTERS = Number(process.argv[2] ?? 20_000)
const SENDERS = 50
const body = Buffer.alloc(4096, 'x')
const headerBlock = Buffer.alloc(500, 'h')

async function measure(title: string, index: SqliteIndex, timeOrderedIds: boolean): Promise<void> {
  const store = new MailStore({ log: new MemoryLog(), index, clock: nodeClock, random: nodeRandom })
  const accounts: AccountId[] = []
  for (let i = 0; i < 20; i++) {
    const account = toAccountId(`account${'abcdefghijklmnopqrst'[i]}`.padEnd(16, 'a'))
    await store.runAccountCommand({ kind: 'own', account, generation: 1, quotaBytes: null, locale: 'en' })
    accounts.push(account)
  }
  let sent = 0
  const sender = async () => {
    while (sent < LETTERS) {
      const account = accounts[sent++ % accounts.length]
      if (account === undefined) return
      const deliveryId = Buffer.from(nodeRandom.bytes(16))
      if (timeOrderedIds) deliveryId.writeUIntBE(nodeClock.nowMs(), 0, 6)
      const recipients = [{ account, deliveryId, mailbox: 'INBOX', headerBlock }]
      await store.deliver({ traceId: 'trace-0123456789', reversePath: 'a@example.org', recipients }, [body])
    }
  }
  const before = process.cpuUsage()
  const began = performance.now()
  await Promise.all(Array.from({ length: SENDERS }, sender))
  const wallUs = ((performance.now() - began) * 1000) / LETTERS
  const { user, system } = process.cpuUsage(before)
  const cpuUs = (user + system) / LETTERS
  process.stdout.write(`${title}: ${wallUs.toFixed(1)} us a letter, ${cpuUs.toFixed(1)} us of processor\n`)
  await store.close('measured')
  index.close()
}

await measure('index in memory', new SqliteIndex(':memory:'), true)
await measure('index in memory, random delivery ids', new SqliteIndex(':memory:'), false)
const folder = mkdtempSync(join(tmpdir(), 'twinpost-measure-'))
try {
  await measure('index in a file', new SqliteIndex(join(folder, 'a.db')), true)
  await measure('index in a file, random delivery ids', new SqliteIndex(join(folder, 'b.db')), false)
} finally {
  rmSync(folder, { recursive: true })
}
