/**
 * One history of a pair, a simulated minute: clients work while faults strike; then all is mended, and the pair must come together,
 * serve, and hold everything that anybody was told.
 */
import { createHash } from 'node:crypto'
import { AssertionFailure } from '#lib/errors/assert.ts'
import { toLsn } from '#lib/mail/types.ts'
import { fsck } from '#shard/index/fsck.ts'
import type { Coverage } from '../coverage.ts'
import { Fold } from './check-fold.ts'
import { checkEqual, rawRecords } from './check-raw.ts'
import { ACCOUNTS, Clients } from './clients.ts'
import type { Weakness } from './damage.ts'
import { Faults } from './faults.ts'
import { emptyIndex } from './index-image.ts'
import type { PairMember } from './member.ts'
import { PairWorld } from './pair-world.ts'

const HISTORY_MS = 57_000
const STEP_MS = 50
const CALM_WITHIN_MS = 45_000
const THINK_MS = 1_500

export interface PairHistoryOptions {
  /** False: nothing goes wrong. */
  readonly faults?: boolean
  /** What is wrong with a disk; without it chance decides. */
  readonly weakness?: Weakness
  /** Told at the end, kept promises or not: a hash of all that happened. */
  readonly onFingerprint?: (hash: string) => void
}

export class PairFailure extends Error {
  readonly trace: (lines: number) => string

  constructor(cause: unknown, trace: (lines: number) => string) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.trace = trace
  }
}

/** @throws {PairFailure} if a promise was broken */
export async function runPairHistory(seed: number, options: PairHistoryOptions = {}): Promise<Coverage> {
  const world = new PairWorld(seed)
  const history = new PairHistory(world, options)
  try {
    await history.run()
  } catch (error) {
    throw new PairFailure(error, (lines) => `${world.trace.text(lines)}\n${states(world)}`)
  } finally {
    options.onFingerprint?.(fingerprint(world))
    world.close()
  }
  return world.coverage
}

class PairHistory {
  readonly #world: PairWorld
  readonly #clients: Clients
  readonly #faults: Faults | null

  constructor(world: PairWorld, { faults = true, weakness }: PairHistoryOptions) {
    this.#world = world
    this.#clients = new Clients(world)
    const onGivenUp = (sinceMs: number) => this.#clients.model.giveUp(sinceMs)
    this.#faults = faults ? new Faults(world, { onGivenUp, weakness: weakness ?? null }) : null
  }

  async run(): Promise<void> {
    const world = this.#world
    const { coverage } = world
    for (const member of world.members) member.boot()
    await this.#until(() => world.calm, 20_000, 'two new members become a pair')
    await this.#drive(this.#clients.begin(), 5_000, 'the first accounts are made')
    this.#clients.run(THINK_MS)
    this.#faults?.run(HISTORY_MS - 5_000)
    await this.#pass(HISTORY_MS)
    this.#faults?.heal()
    world.trace.add('sim', 'all is mended')
    await this.#until(() => world.calm, CALM_WITHIN_MS, 'one primary serves and both members are in sync')
    this.#clients.stop()
    await this.#until(() => this.#clients.idle, 15_000, 'all clients have their answers')
    await this.#drive(this.#clients.demand(), 20_000, 'operations succeed when all is well')
    await this.#end()
    coverage.count('pair histories')
    coverage.count('operations of clients', this.#clients.operations)
    coverage.count('operations acknowledged', this.#clients.acknowledged)
    coverage.count('faults', this.#faults?.struck ?? 0)
  }

  /** The checks of the end: what lies on both disks, folded, against what clients know; indexes against the log. */
  async #end(): Promise<void> {
    const world = this.#world
    const repaired = () => world.members.every(({ process }) => process?.log?.rotten.length === 0)
    await this.#until(repaired, 30_000, 'all rotten records that were found are repaired')
    await this.#pass(1_500)
    const upkeep = world.members.map(({ process }) => process?.upkeep?.stop())
    await this.#drive(Promise.all(upkeep), 5_000, 'upkeep stops')
    const [a, b] = world.members
    await this.#until(() => this.#quiet(), 10_000, 'both logs come to an end')
    for (const member of world.members) {
      while (await this.#rotFound(member)) await this.#until(repaired, 60_000, 'what fsck found rotten is repaired')
    }
    const records = [a, b].map(({ machine }) => rawRecords(machine.disk.stableFiles('n1/0/log/')))
    const [first = [], second = []] = records
    if (this.#quiet()) checkEqual(first, second)
    // Each replica drops by itself: both must fold to what clients know.
    for (const log of [first, second]) this.#clients.model.final(new Fold(log).boxes)
    for (const account of ACCOUNTS) await this.#drive(this.#clients.lookAtAll(account), 20_000, 'a last look')
    const primary = world.members.find(({ process }) => process?.primary)?.process?.log
    world.coverage.count('records in the log', primary?.lastLsn ?? toLsn(0))
  }

  /** A walk ends at the first damaged record: true if one was found, which its reading reports for repair. */
  async #rotFound({ name, process }: PairMember): Promise<boolean> {
    const world = this.#world
    const { log, index } = process ?? {}
    if (!log || !index) throw new AssertionFailure(`${name} runs at the end`)
    const report = await this.#drive(
      fsck({ log, index, nowMs: world.nowMs, scratch: emptyIndex() }),
      20_000,
      `fsck of ${name}`,
    )
    for (const finding of report.findings) {
      // Rot that nobody had read yet is found here at last, and mended.
      if (finding.kind !== 'log-damaged') throw new AssertionFailure(`fsck of ${name}: ${finding.words}`)
      world.coverage.count('rot found only at the end')
    }
    return report.findings.length > 0
  }

  /** Nothing is under way: both logs end at one place, and both indexes are there too. */
  #quiet(): boolean {
    const [a, b] = this.#world.members.map(({ process }) => process)
    return a?.log != null && b?.log != null && a.log.durableLsn === b.log.durableLsn && a.log.lastLsn === b.log.lastLsn
  }

  async #pass(ms: number): Promise<void> {
    await this.#run(() => false, ms)
  }

  async #until(done: () => boolean, withinMs: number, what: string): Promise<void> {
    if (!(await this.#run(done, withinMs))) throw new AssertionFailure(`Not within ${withinMs} ms: ${what}`)
  }

  /** Lets time go by, and looks every now and then. @returns Whether `done` came true */
  async #run(done: () => boolean, withinMs: number): Promise<boolean> {
    const { world, watch } = this.#world
    const { clock } = world
    let over = done()
    const look = () => {
      watch.look()
      over = done()
      if (!over && watch.failure === null) cancel = clock.after(STEP_MS, look)
    }
    let cancel = clock.after(STEP_MS, look)
    await clock.run(() => over || watch.failure !== null, clock.nowMs + withinMs)
    cancel()
    watch.look()
    if (watch.failure !== null) throw watch.failure
    return over || done()
  }

  async #drive<T>(promise: Promise<T>, withinMs: number, what: string): Promise<T> {
    const result: { value?: T; error?: unknown; over: boolean } = { over: false }
    promise.then(
      (value) => Object.assign(result, { value, over: true }),
      (error: unknown) => Object.assign(result, { error, over: true }),
    )
    await this.#until(() => result.over, withinMs, what)
    if ('error' in result) throw result.error
    return promise
  }
}

function states(world: PairWorld): string {
  const members = world.members.map(
    ({ name, process }) => `${name}: ${JSON.stringify(process?.machine?.status() ?? 'down')}`,
  )
  return [...members, `ledger: ${JSON.stringify(world.entry)}`].join('\n')
}

/** Equal only for histories that went the same way: when what happened, and every byte that both disks keep. */
function fingerprint({ nowMs, world, trace, members, coverage }: PairWorld): string {
  const sum = createHash('sha256').update(trace.text(Number.MAX_SAFE_INTEGER))
  sum.update(JSON.stringify([nowMs, world.clock.eventCount, coverage.counts]))
  for (const { machine } of members) {
    for (const [path, bytes] of machine.disk.stableFiles('')) sum.update(path).update(bytes)
  }
  return sum.digest('hex')
}
