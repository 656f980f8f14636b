/**
 * What a large mailbox costs a session: opening it cold and warm, coming back with QRESYNC, and all flags. Prints CPU time, which
 * says the same on a busy machine, and the memory beside it.
 *
 *     node services/shard/mailbox/measure/large-mailbox.ts 100000
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { ImapSession } from '#lib/imap/mod.ts'
import { MemoryHost } from '#lib/imap/testing/memory-host.ts'
import { NO_FLAGS } from '#lib/mail/flags.ts'
import { toLsn, toModSeq, toUid } from '#lib/mail/types.ts'
import { catchUp } from '../../index/open.ts'
import { SqliteIndex } from '../../index/sqlite-index.ts'
import { encodeRecord } from '../../records/codec.ts'
import { type NewMessage, RecordType } from '../../records/types.ts'
import { ANNA, makeWorld, worldWith } from '../testing/world.ts'

const MESSAGES = Number(process.argv[2] ?? 100_000)
const PER_RECORD = 1_000

const { log, clock, random, store } = await worldWith()
const inbox = store.openImapAccount(ANNA).find('INBOX')
if (inbox === null) throw new Error('every account has an INBOX')
const body = { lsns: [toLsn(1)], sizeBytes: 4_000 }
for (let uid = 1; uid <= MESSAGES; uid += PER_RECORD) {
  const messages = Array.from({ length: Math.min(PER_RECORD, MESSAGES - uid + 1) }, (_, i): NewMessage => {
    const emailId = String(uid + i).padStart(16, 'a')
    const facts = { flags: NO_FLAGS, internalDateMs: 0, saveDateMs: 0, emailId, headerBlock: new Uint8Array(0), body }
    return { uid: toUid(uid + i), modSeq: toModSeq(1_000 + uid + i), ...facts }
  })
  const record = { type: RecordType.messagesAdd, account: ANNA, mailbox: inbox.id, messages } as const
  log.append([{ type: record.type, meta: encodeRecord({ ...record, deliveryId: null, traceId: '' }) }])
}
log.sync()
const index = new SqliteIndex(':memory:')
await catchUp(log, index, log.durableLsn)
const world = makeWorld({ log, index, clock, random })
const account = world.store.openImapAccount(ANNA)

class MeasuredHost extends MemoryHost {
  bytes = 0

  override write(piece: Uint8Array): boolean {
    this.bytes += piece.byteLength
    return true
  }
}

const host = new MeasuredHost()
const session = new ImapSession(account, host)
void session.run()

async function measure(name: string, command: string): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const [cpu, wall, bytes, heap] = [process.cpuUsage(), performance.now(), host.bytes, process.memoryUsage().rss]
  delay.enable()
  await session.receive(Buffer.from(`a ${command}\r\n`))
  delay.disable()
  const used = process.cpuUsage(cpu)
  const figures = [
    `${((used.user + used.system) / 1000).toFixed(1)} ms CPU`,
    `${(performance.now() - wall).toFixed(1)} ms`,
    `${host.bytes - bytes} bytes`,
    `${((process.memoryUsage().rss - heap) / 2 ** 20).toFixed(0)} MiB more`,
    `longest stall ${(delay.max / 1e6).toFixed(0)} ms`,
  ]
  process.stdout.write(`${name}: ${figures.join(', ')}\n`)
}

await measure('SELECT, cold', 'SELECT INBOX')
await measure('UNSELECT', 'UNSELECT')
await measure('SELECT, warm', 'SELECT INBOX')
await measure('ENABLE', 'ENABLE QRESYNC')
const { highestModSeq, uidValidity } = account.status(inbox.id)
const spread = Array.from({ length: 100 }, (_, i) => 1 + Math.floor((i * MESSAGES) / 100)).join(',')
await measure('UID STORE of 100', `UID STORE ${spread} +FLAGS.SILENT (\\Deleted \\Seen)`)
await measure('UID EXPUNGE of 50', `UID EXPUNGE ${spread.split(',').slice(0, 50).join(',')}`)
for (const turn of ['first', 'second']) {
  await measure(`SELECT (QRESYNC), 100 changes, ${turn}`, `SELECT INBOX (QRESYNC (${uidValidity} ${highestModSeq}))`)
}
const now = account.status(inbox.id).highestModSeq
await measure('SELECT (QRESYNC), nothing changed', `SELECT INBOX (QRESYNC (${uidValidity} ${now}))`)
await measure('SELECT (QRESYNC) of everything', `SELECT INBOX (QRESYNC (${uidValidity} 1))`)
await measure('UID FETCH 1:* (FLAGS)', 'UID FETCH 1:* (FLAGS)')
await measure('SEARCH UNSEEN', 'SEARCH UNSEEN')
session.end()
await world.store.close('measured')
