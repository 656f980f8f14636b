import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RoleCommand } from '#lib/frames/role-command.ts'
import { MemoryDisk, TEST_SHARD } from './log/testing.ts'
import { FenceMark, runRoleCommand } from './role-commands.ts'
import type { ForceProof } from './roles/force.ts'

/** A machine that remembers what it was told; `alone`: nobody can take over from it. */
function replica(options: { alone?: boolean } = {}) {
  const told: string[] = []
  const handOver = async (what: string) => {
    told.push(what)
    if (options.alone) throw new Error('Cannot hand over: the other member is not in sync')
  }
  const machine = {
    switchover: () => handOver('switchover'),
    fence: () => handOver('fence'),
    unfence: () => {
      told.push('unfence')
    },
    restoreLedger: async (pods: { self: string; other: string }) => {
      told.push(`restore ${pods.self} ${pods.other}`)
      if (options.alone) throw new Error('Cannot make the ledger anew from n1-0: it is there')
      return 'n1-0 has seen version 9'
    },
    promoteByForce: async (proof: ForceProof | null, otherPod: string) => {
      told.push(`promote ${JSON.stringify(proof)} ${otherPod}`)
      if (options.alone) throw new Error('Cannot promote by force: it lives')
      return 'what came after record 12'
    },
  }
  const mark = new FenceMark(new MemoryDisk(), 'shard-0')
  const run = (command: RoleCommand) => runRoleCommand({ shard: TEST_SHARD, pod: 'n1-0', machine, mark }, command)
  return { told, mark, run }
}

test('a fence stands until it is taken away, also for the next process', async () => {
  const { told, mark, run } = replica()
  assert.equal(await mark.stands(), false)
  for (let twice = 0; twice < 2; twice++) assert.equal((await run({ kind: 'fence' })).done, true)
  assert.equal(await mark.stands(), true)
  for (let twice = 0; twice < 2; twice++) assert.equal((await run({ kind: 'unfence' })).done, true)
  assert.equal(await mark.stands(), false)
  assert.deepEqual(told, ['fence', 'fence', 'unfence', 'unfence'])
})

test('a primary that nobody can relieve stays primary and is not fenced: a restart would leave nobody', async () => {
  const { told, mark, run } = replica({ alone: true })
  const result = await run({ kind: 'fence' })
  assert.equal(result.done, false)
  assert.match(result.words, /n1-0 stays primary .* not fenced.*not in sync/)
  assert.equal(await mark.stands(), false)
  assert.deepEqual(told, ['fence', 'unfence'])
})

test('a switchover tells what came of it', async () => {
  assert.equal((await replica().run({ kind: 'switchover' })).done, true)
  const refused = await replica({ alone: true }).run({ kind: 'switchover' })
  assert.deepEqual(refused, { done: false, words: 'Cannot hand over: the other member is not in sync' })
})

test('promote gives the proof on, for the name that the other member has, and says what is lost', async () => {
  const { told, run } = replica()
  const typed = await run({ kind: 'promote', otherStopped: 'n1-9', seenStopped: false })
  assert.deepEqual(typed, { done: true, words: 'n1-0 is primary of n1/0 by force. Lost is what came after record 12' })
  await run({ kind: 'promote', otherStopped: 'n1-1', seenStopped: true })
  assert.deepEqual(told, [
    'promote {"kind":"typed","member":"n1-9"} n1-1',
    'promote {"kind":"fenced","by":"operator"} n1-1',
  ])
  const refused = await replica({ alone: true }).run({ kind: 'promote', otherStopped: 'n1-1', seenStopped: true })
  assert.deepEqual(refused, { done: false, words: 'Cannot promote by force: it lives' })
})

test('a ledger is made anew by the replica that is asked, which knows the name of the other one', async () => {
  const { told, run } = replica()
  const done = await run({ kind: 'restore-ledger' })
  assert.deepEqual(done, { done: true, words: 'The ledger of n1/0 was made anew: n1-0 has seen version 9' })
  assert.deepEqual(told, ['restore n1-0 n1-1'])
  assert.equal((await replica({ alone: true }).run({ kind: 'restore-ledger' })).done, false)
})
