/** The world of one shard with two members: wire, ledger, locks, and what is watched while it runs. */
import { toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { SimLedger } from '#shard/ledger/testing/sim-ledger.ts'
import type { LedgerEntry } from '#shard/ledger/types.ts'
import type { DurabilityPolicy } from '#shard/roles/admission.ts'
import type { RoleTimes } from '#shard/roles/times.ts'
import { LAG_LIMITS, type LagLimits } from '#shard/upkeep/horizon.ts'
import type { Coverage } from '../coverage.ts'
import { Trace } from '../trace.ts'
import { World } from '../world.ts'
import { Watch } from './check-watch.ts'
import { PairMember } from './member.ts'
import { SimNetwork } from './network.ts'

const CLOCK_RATES = [1, 1, 0.97, 1.03, 0.99, 1.01]

export class PairWorld {
  readonly world: World
  readonly shard = toShardName('n1/0')
  readonly trace: Trace
  readonly network: SimNetwork
  readonly ledger: SimLedger
  readonly watch: Watch
  readonly members: readonly [PairMember, PairMember]
  readonly segmentBytes: number
  /** How long compaction waits for a mirror that is away. */
  readonly lagLimits: LagLimits
  readonly bulkBytesPerSecond = 4 * 1024 * 1024
  readonly durability: DurabilityPolicy
  readonly times: RoleTimes | null = null
  over = false

  constructor(seed: number) {
    const world = new World(seed)
    this.world = world
    const { clock, random, coverage } = world
    this.trace = new Trace(() => clock.nowMs)
    this.network = new SimNetwork(clock, random.fork(), coverage)
    const trueClock: Clock = {
      nowMs: () => clock.nowMs,
      monotonicMs: () => clock.nowMs,
      after: (delayMs, action) => clock.after(delayMs, action),
    }
    this.ledger = new SimLedger({
      clock: trueClock,
      random: random.fork(),
      onEvent: (event) => {
        coverage.count(event)
        this.trace.add('ledger', event)
      },
    })
    this.segmentBytes = random.pick([16_384, 65_536, 262_144])
    this.lagLimits = random.chance(0.5) ? LAG_LIMITS : { lagBytesMax: 100_000, awayMsMax: 2_000 }
    this.durability = random.chance(0.5)
      ? { inbound: { mode: 'preferred' }, users: 'preferred' }
      : { inbound: { mode: 'required', degradedAfterMs: 5_000 }, users: 'preferred' }
    this.watch = new Watch(this)
    this.members = [new PairMember(this, 0), new PairMember(this, 1)]
    for (const member of this.members) member.machine.clockRate = random.pick(CLOCK_RATES)
  }

  get coverage(): Coverage {
    return this.world.coverage
  }

  get nowMs(): number {
    return this.world.clock.nowMs
  }

  get entry(): LedgerEntry | null {
    return this.ledger.entry(this.shard)
  }

  /** One primary that serves, both members in sync, nothing in doubt. */
  get calm(): boolean {
    const entry = this.entry
    if (entry === null || entry.inSync.length !== 2) return false
    const [a, b] = this.members
    const serving = [a, b].filter(({ process }) => process?.primary)
    const [one] = serving
    if (serving.length !== 1 || one === undefined || one.id !== entry.primary) return false
    return (
      a.running &&
      b.running &&
      entry.inSync.every((id) => id === a.id || id === b.id) &&
      one.process?.mayServe() === true &&
      one.process.machine?.status().settled === true &&
      // Not in the moment after a restart that the primary has not noticed yet.
      [a, b].every((member) => member === one || member.process?.machine?.phase === 'mirror, in sync')
    )
  }

  close(): void {
    this.over = true
    for (const member of this.members) member.close()
  }
}
