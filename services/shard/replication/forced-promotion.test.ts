import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeRecord } from '../records/codec.ts'
import { RecordType } from '../records/types.ts'
import { type Node, staleLeft } from './testing/pair.ts'

const typed = { kind: 'typed', member: 'n1-0' } as const

/** Types of what stands in the log of a member, epoch by epoch; only where an epoch began. */
function beginnings(node: Node): string[] {
  const found: string[] = []
  for (const { record } of node.disk.records) {
    if (record.type !== RecordType.epochStart && record.type !== RecordType.recoveryJump) continue
    const fact = decodeRecord(record.type, record.meta)
    if (fact.type === RecordType.recoveryJump) found.push(`jump by ${fact.uids}`)
    else found.push(`epoch ${record.epoch}`)
  }
  return found
}

test('an epoch that was taken by force begins with a jump, once, and the mirror gets it', async () => {
  const pair = await staleLeft()
  const before = beginnings(pair.b).length
  const forced = pair.b.machine.promoteByForce(typed, 'n1-0')
  await pair.wait(() => pair.primary === pair.b, 2_000, 'the stale member serves')
  await forced
  const event = pair.b.life?.events.at(-1)
  assert.ok(event?.role === 'primary' && event.forced && event.commit >= pair.b.log.lastLsn)
  const begun = beginnings(pair.b).slice(before)
  assert.equal(begun.length, 2)
  assert.match(begun[1] ?? '', /^jump by \d{7,}$/)
  await pair.wait(() => pair.b.note.jumpUids === 0, 1_000, 'the jump is not due any more')

  pair.a.replaceDisk()
  pair.a.start()
  await pair.waitInSync()
  assert.deepEqual(beginnings(pair.a), beginnings(pair.b))
  pair.b.kill()
  await pair.wait(() => pair.primary === pair.a, 5_000, 'the new member takes over')
  assert.deepEqual(beginnings(pair.a).slice(-2)[0], begun[1], 'and jumps no second time')
  const taken = pair.a.life?.events.at(-1)
  assert.ok(taken?.role === 'primary' && !taken.forced)
})

test('a process that ends between the ledger and its first record jumps in its next life', async () => {
  const pair = await staleLeft()
  const before = beginnings(pair.b).length
  const forced = pair.b.machine.promoteByForce(typed, 'n1-0')
  forced.catch(() => {}) // it ends with the process
  await pair.wait(() => pair.entry?.primary === pair.b.id, 2_000, 'the ledger names it')
  pair.b.kill()
  assert.deepEqual(beginnings(pair.b).slice(before), [], 'it wrote nothing yet')
  pair.b.start()
  await pair.wait(() => pair.primary === pair.b, 10_000, 'it claims its epoch')
  assert.match(beginnings(pair.b).slice(before)[1] ?? '', /^jump/)
})

test('a promotion that the ledger did not take leaves no jump behind', async () => {
  const pair = await staleLeft()
  const original = pair.b.ledger.compareAndSwap.bind(pair.b.ledger)
  pair.b.ledger.compareAndSwap = async () => ({ kind: 'conflict' })
  const refused = assert.rejects(pair.b.machine.promoteByForce(typed, 'n1-0'), { code: 'REPLICA_CALLED_OFF' })
  await pair.clock.pass(1_000)
  await refused
  assert.equal(pair.b.note.jumpUids, 0)
  assert.equal(pair.primary, null)
  pair.b.ledger.compareAndSwap = original
})

test('a fenced replica and one that has stopped are not promoted', async () => {
  const pair = await staleLeft()
  await pair.b.machine.fence()
  const fenced = assert.rejects(pair.b.machine.promoteByForce(typed, 'n1-0'), /unfence it first/)
  await pair.clock.pass(500)
  await fenced
  pair.b.machine.unfence()
  const stopped = pair.b.machine.stop()
  await pair.clock.pass(500)
  await stopped
  const late = assert.rejects(pair.b.machine.promoteByForce(typed, 'n1-0'), /stopped/)
  await pair.clock.pass(500)
  await late
  assert.equal(pair.entry?.primary, pair.a.id)
})
