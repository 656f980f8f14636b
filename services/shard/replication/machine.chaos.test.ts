/**
 * Random faults on two replicas: kills, cuts, a ledger that answers late, lies dead or loses answers, slow and dying disks. Checked all
 * the time: never two that serve, never two histories; at the end: all that was acknowledged is on both members.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Member, type Node, Pair } from './testing/pair.ts'
import { SeededRandom } from './testing/seeded-random.ts'

const SEEDS = Number(process.env['CHAOS_SEEDS'] ?? 60)
const FIRST = Number(process.env['CHAOS_SEED'] ?? 1)
const STEPS = 60

async function history(seed: number): Promise<void> {
  const pair = new Pair(seed)
  const random = new SeededRandom(seed * 7919)
  const chance = (share: number) => random.fraction() < share
  const pick = (): Node => pair.nodes[chance(0.5) ? 0 : 1]
  await pair.startInSync()
  for (let step = 0; step < STEPS; step++) {
    const node = pick()
    const dice = random.fraction()
    if (dice < 0.3) writeSome(pair, 1 + Math.floor(random.fraction() * 20))
    else if (dice < 0.4) restart(node, chance(0.5), () => random.fraction())
    else if (dice < 0.48) node.kill(tailOf(node, random.fraction()))
    else if (dice < 0.56) pair.network.cut[node.member] = chance(0.5)
    else if (dice < 0.6) pair.network.cutBoth(chance(0.5))
    else if (dice < 0.66) node.ledger.faults.unreachable = chance(0.5)
    else if (dice < 0.76) unsureLedger(node, random)
    else if (dice < 0.82 && node.life) node.log.syncMs = chance(0.5) ? 1 : random.fraction() * 2_000
    else if (dice < 0.84 && node.life) node.log.fail()
    else if (dice < 0.9 && node.life) node.machine.switchover().catch(() => {})
    else if (dice < 0.92) pair.clock.wallOffsetMs += (random.fraction() - 0.5) * 3_000
    await passWatching(pair, random.fraction() < 0.5 ? random.fraction() * 100 : random.fraction() * 4_000)
    if (chance(0.5)) for (const one of pair.nodes) if (!one.life || one.life.failure) restart(one, true, () => 0)
  }
  await calm(pair)
}

function writeSome(pair: Pair, count: number): void {
  for (const node of pair.nodes) {
    if (node.life?.machine.role !== 'primary' || node.machine.admissionFacts().disk === 'failed') continue
    try {
      pair.write(count, node)
    } catch {
      return // its disk failed just now
    }
  }
}

function tailOf(node: Node, share: number): number {
  if (!node.life) return 0
  return Math.floor((node.log.lastLsn - node.log.durableLsn) * share)
}

function restart(node: Node, clean: boolean, fraction: () => number): void {
  node.kill(clean ? 0 : tailOf(node, fraction()))
  node.start()
}

function unsureLedger(node: Node, random: SeededRandom): void {
  const { faults } = node.ledger
  const on = random.fraction() < 0.6
  faults.lostAnswer = on ? random.fraction() * 0.3 : 0
  faults.lostSwap = on ? random.fraction() * 0.3 : 0
  faults.lateSwap = on ? random.fraction() * 0.3 : 0
  faults.latencyMs = on ? random.fraction() * 500 : 5
}

/** Lets time go by and looks every now and then whether two serve. */
async function passWatching(pair: Pair, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 20) {
    const [a, b] = pair.nodes.map((node) => node.life?.machine.mayServe() ?? false)
    assert.ok(!(a && b), `two serve at ${pair.clock.monotonicMs()}\n${pair.story()}`)
    await pair.clock.pass(Math.min(20, left))
  }
}

/** All faults end; both members must come together again with everything that was acknowledged. */
async function calm(pair: Pair): Promise<void> {
  pair.network.cutBoth(false)
  for (const node of pair.nodes) {
    Object.assign(node.ledger.faults, { unreachable: false, lostAnswer: 0, lostSwap: 0, lateSwap: 0, latencyMs: 5 })
    node.ledger.next = null
    if (
      !node.life ||
      node.life.failure ||
      node.machine.status().role === 'failed' ||
      node.machine.admissionFacts().disk === 'failed'
    ) {
      restart(node, true, () => 0)
    }
    node.log.syncMs = 1
  }
  await passWatching(pair, 10_000)
  await pair.waitInSync(30_000)
  pair.write(3)
  await passWatching(pair, 500)
  for (const member of [0, 1] as Member[]) await pair.check(pair.nodes[member])
  pair.checkEqual()
}

for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  test(`ReplicaMachine keeps every acknowledged record through random faults (CHAOS_SEED=${seed})`, () => history(seed))
}
