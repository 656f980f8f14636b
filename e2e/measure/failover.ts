/**
 * Measures how long a shard does not serve when its primary is killed with -9, ten times in a row in one array: until a login, a
 * FETCH, an APPEND and an LMTP delivery have succeeded, and until a letter from outside was accepted with durability.inbound
 * `preferred` (one copy is enough) and `required` (the killed member must be back in sync). Nothing that was accepted may be missing.
 *
 *   node e2e/measure/failover.ts [KILLS]        or: make measure-failover
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { type DemoAccount, TestArray } from '../support/array.ts'
import { pairInSync, pour } from '../support/pour.ts'
import { PROBES, type Probe, SERVED, ServiceProbe } from '../support/service-probe.ts'
import { assertNothingLost } from '../support/writer.ts'
import { machineText, median } from './machine.ts'

const KILLS = Number(process.argv[2] ?? 10)
/** Longer than the hold-down after a change of role, and than a restarted container needs. */
const REST_MS = 3_000

interface Run {
  readonly ms: Readonly<Record<Probe, number>>
  readonly accepted: readonly string[]
}

class Measurement {
  readonly #array: TestArray
  readonly #account: DemoAccount
  readonly #probe: ServiceProbe
  readonly #poured: string[] = []

  constructor(array: TestArray) {
    this.#array = array
    this.#account = array.account('alice')
    this.#probe = new ServiceProbe(array, this.#account)
  }

  get accepted(): readonly string[] {
    return [...this.#poured, ...this.#probe.accepted]
  }

  /** Kills the primary once. */
  async run(number: number): Promise<Run> {
    const { primary } = await pairInSync(this.#array, this.#account.home)
    assert.ok(primary)
    const before = await pour(this.#array, `before-${number}`, this.#account.address, 20)
    this.#poured.push(...before.accepted)
    const killedMs = performance.now()
    process.kill(primary.pid, 'SIGKILL')
    return { ms: await this.#probe.measure(String(number), killedMs), accepted: before.accepted }
  }
}

async function measure(mode: 'preferred' | 'required'): Promise<void> {
  const array = await TestArray.start({ small: true, spec: `durability:\n  inbound:\n    mode: ${mode}\n` })
  try {
    const measurement = new Measurement(array)
    const runs: Run[] = []
    for (let number = 1; number <= KILLS; number++) {
      runs.push(await measurement.run(number))
      await pause(REST_MS)
    }
    await pairInSync(array, array.account('alice').home)
    await assertNothingLost(array, 'alice', measurement)
    print(mode, runs, measurement.accepted.length)
  } finally {
    await array.remove()
  }
}

function print(mode: string, runs: readonly Run[], accepted: number): void {
  const seconds = (ms: number) => (ms / 1_000).toFixed(2).padStart(7)
  const row = (name: string, of: readonly number[]) =>
    console.log(`${name.padEnd(14)}${[...of, median(of), Math.max(...of)].map(seconds).join('')}`)
  console.log(`\ndurability.inbound ${mode}: seconds after kill -9 of the primary, the last two are median and maximum`)
  for (const probe of PROBES)
    row(
      probe,
      runs.map(({ ms }) => ms[probe]),
    )
  // In strict mode LMTP waits for the second copy as all mail from elsewhere does.
  const served = mode === 'required' ? SERVED.filter((probe) => probe !== 'LMTP') : SERVED
  row(
    'served again',
    runs.map(({ ms }) => Math.max(...served.map((probe) => ms[probe]))),
  )
  console.log(`${accepted} letters accepted, 0 lost`)
}

console.log(machineText())
await measure('preferred')
await measure('required')
console.log(machineText())
