/**
 * One history of the log alone: appends, reads, restarts and faults drawn from a seed; after each restart everything that was
 * reported durable must be there with its bytes, and nothing that was never appended.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import { toLsn, toShardName } from '#lib/mail/types.ts'
import { Log } from '#shard/log/log.ts'
import type { NewRecord } from '#shard/log/types.ts'
import type { Coverage } from '../coverage.ts'
import type { OneShotFault } from '../disk.ts'
import { SimRandom } from '../random.ts'
import { type Life, type Machine, World } from '../world.ts'
import { LogModel } from './model.ts'
import { checkRawLog } from './raw-check.ts'

const DIRECTORY = 'n1/0/log'
const SHARD = toShardName('n1/0')
const STEPS = 60
const BITS_MAX = 2

export const LOG_COVERAGE_ROWS = [
  'histories',
  'records appended',
  'records reported durable',
  'batches of more than one append',
  'records read while not yet synced',
  'machine crash',
  'process killed',
  'clean close',
  'died while opening',
  'tail cut',
  'records cut',
  'unreported records that survived',
  'segments sealed',
  'segments compacted',
  'records dropped',
  'died while compacting',
  'footer or header mended',
  'rotten records told',
  'bit flip at rest',
  'bit flip before restart',
  'sync error',
  'disk full',
  'slow sync',
  'misdirected write',
  'torn page',
  'pages lost in a crash',
  'unsynced pages that survived',
  'length without bytes',
  'names lost in a crash',
]

/** Runs the history of `seed`. @throws If a promise of the log was broken. */
export async function runLogHistory(seed: number): Promise<Coverage> {
  const history = new LogHistory(seed)
  await history.run()
  return history.coverage
}

const TEXT = new SimRandom(1).bytes(64 * 1024)

/** A piece of a letter: a part of one text, which costs less than new chance for every byte. */
function letter(random: SimRandom, length: number): Buffer {
  const at = random.int(0, TEXT.length - length)
  return TEXT.subarray(at, at + length)
}

class LogHistory {
  readonly #world: World
  readonly #machine: Machine
  readonly #model = new LogModel()
  readonly #segmentBytes: number
  readonly #bodyBytesMax: number
  #life: Life
  #log: Log | null = null
  #bits = 0
  /** Damage may have hit records that no header covers yet, or the header that covers them: such may be cut. */
  #damagedThisLife = false
  #flippedAtRest = false
  /** A write may have gone astray: any record may be damaged, but none may be false. */
  #misdirected = false
  #failed = false

  constructor(seed: number) {
    this.#world = new World(seed)
    this.#machine = this.#world.machine('a')
    this.#segmentBytes = this.#world.random.pick([8_192, 32_768, 1_048_576])
    this.#bodyBytesMax = this.#world.random.pick([200, 3_000, 12_000])
    this.#life = this.#machine.boot()
  }

  get coverage(): Coverage {
    return this.#world.coverage
  }

  async run(): Promise<void> {
    this.coverage.count('histories')
    if ((await this.#open()) !== true) return
    for (let step = 0; step < STEPS; step++) {
      if (!(await this.#step())) return
    }
    if (!(await this.#restart())) return
    await this.#finish()
  }

  /** @returns False if the history ends here for a reason that is no fault of the log. */
  async #step(): Promise<boolean> {
    const { random } = this.#world
    const dice = random.int(0, 99)
    if (dice < 60) this.#appendSome()
    else if (dice < 70) await this.#world.pass(random.int(0, 3) * random.int(0, 100))
    else if (dice < 76) await this.#readOne()
    else if (dice < 80) this.#arm()
    else if (dice < 84) this.#machine.dieAfter(random.int(0, 12), random.pick(['crash', 'kill']))
    else if (dice < 90) this.#die()
    else if (dice < 93) await this.#close()
    else if (dice < 94) await this.#flipAtRest()
    else if (dice < 98) await this.#compact()
    if (random.chance(0.5)) await this.#world.pass(random.fraction() * 6)
    if (this.#needsRestart()) return this.#restart()
    return true
  }

  #appendSome(): void {
    const { random } = this.#world
    const appends = random.int(1, 4)
    if (this.#log === null || !this.#life.alive) return
    for (let i = 0; i < appends; i++) {
      const records = Array.from({ length: random.int(1, 3) }, () => this.#record())
      try {
        const { first } = this.#log.append(records)
        this.#model.appended(first, this.#log.epoch, records)
        this.coverage.count('records appended', records.length)
      } catch (error) {
        if (errorCode(error) !== 'LOG_STOPPED') throw error
      }
    }
    if (appends > 1) this.coverage.count('batches of more than one append')
  }

  #record(): NewRecord {
    const { random } = this.#world
    const meta = random.bytes(random.int(0, random.chance(0.1) ? 900 : 60))
    if (random.chance(0.3)) return { type: random.int(1, 60), meta }
    const body = Array.from({ length: random.int(1, 3) }, () => letter(random, random.int(0, this.#bodyBytesMax / 3)))
    return { type: 2, meta, body }
  }

  async #readOne(): Promise<void> {
    const log = this.#log
    if (log === null || log.lastLsn === 0 || !this.#life.alive) return
    const lsn = toLsn(this.#world.random.int(Math.max(1, log.lastLsn - 20), log.lastLsn))
    if (lsn > log.durableLsn) this.coverage.count('records read while not yet synced')
    const read = await this.#world.settle(this.#life, log.read(lsn))
    if (read.kind === 'value') this.#model.seen(read.value)
    else if (read.kind === 'error' && errorCode(read.error) === 'LOG_DROPPED_RECORD') this.#model.gone(lsn, lsn)
    else if (read.kind === 'error' && !this.#mayBeRotten(read.error)) throw read.error
  }

  /** Any sealed segment may lose any of its records that the dice choose; the power may fail at any step. */
  async #compact(): Promise<void> {
    const { random } = this.#world
    const log = this.#log
    const segment = log === null || log.sealed.length === 0 ? undefined : random.pick(log.sealed)
    if (log === null || segment === undefined || !this.#life.alive) return
    const share = random.pick([0.1, 0.5, 0.95])
    const gone = new Set<number>()
    for (let lsn = segment.firstLsn; lsn < segment.nextLsn; lsn++) if (random.chance(share)) gone.add(lsn)
    for (const lsn of gone) this.#model.superfluous(lsn)
    if (random.chance(0.4)) this.#machine.dieAfter(random.int(0, 12), random.pick(['crash', 'kill']))
    const needs = { horizon: log.durableLsn, mayGo: (lsn: number) => gone.has(lsn) }
    const pace = () => Promise.resolve(true)
    // What is appended meanwhile goes on, also into new segments.
    if (random.chance(0.5)) this.#appendSome()
    const compacted = await this.#world.settle(this.#life, log.compact(segment, needs, pace))
    if (compacted.kind === 'died') this.coverage.count('died while compacting')
    else if (compacted.kind === 'error') {
      const code = errorCode(compacted.error) ?? ''
      if (!['LOG_STOPPED', 'ENOSPC', 'EIO'].includes(code)) throw compacted.error
    } else if (compacted.value.kind === 'made') {
      this.coverage.count('segments compacted')
      this.coverage.count('records dropped', compacted.value.droppedRecords)
    }
  }

  #arm(): void {
    const fault = this.#world.random.pick<OneShotFault>(['sync-error', 'slow-sync', 'no-space', 'misdirected-write'])
    // One a history: two can overwrite each other's traces, and then only the peer can tell.
    if (fault === 'misdirected-write' && this.#misdirected) return
    this.#machine.disk.arm(fault)
    if (fault !== 'misdirected-write') return
    this.#misdirected = true
    this.#damagedThisLife = true
  }

  #die(): void {
    if (this.#world.random.chance(0.6)) this.#machine.crash()
    else this.#machine.kill()
  }

  async #close(): Promise<void> {
    if (this.#log === null || !this.#life.alive) return
    const closed = await this.#world.settle(this.#life, this.#log.close())
    if (closed.kind === 'error') throw closed.error
    if (closed.kind === 'value') this.coverage.count('clean close')
    this.#log = null
  }

  /** After a while of idleness all that is durable is covered: from then on no flipped bit may cost more than its record. */
  async #flipAtRest(): Promise<void> {
    if (this.#bits >= BITS_MAX || this.#log === null) return
    await this.#world.pass(6_000)
    if (!this.#life.alive || !this.#machine.disk.flipBit(`${DIRECTORY}/`, '.seg')) return
    // Unless the header that covers the tail could not be written, or this bit takes it away after another took a record.
    if (this.#failed || this.#flippedAtRest) this.#damagedThisLife = true
    this.#flippedAtRest = true
    this.#bits++
    this.coverage.count('bit flip at rest')
  }

  #needsRestart(): boolean {
    return this.#log === null || !this.#life.alive || this.#failed
  }

  /** Ends the life, perhaps loses power or a bit, opens the log again and compares it with the model. */
  async #restart(): Promise<boolean> {
    const { random } = this.#world
    if (this.#failed && random.chance(0.5)) await this.#world.pass(100)
    if (this.#life.alive) this.#machine.kill()
    if (random.chance(0.3)) this.#machine.crash()
    if (this.#bits < BITS_MAX && random.chance(0.04) && this.#machine.disk.flipBit(`${DIRECTORY}/`, '.seg')) {
      this.#bits++
      this.#damagedThisLife = true
      this.coverage.count('bit flip before restart')
    }
    for (;;) {
      this.#life = this.#machine.boot()
      if (random.chance(0.15)) this.#machine.dieAfter(random.int(0, 25), random.pick(['crash', 'kill']))
      const opened = await this.#open()
      if (opened !== 'died') return opened && this.#readAll()
      this.coverage.count('died while opening')
    }
  }

  async #open(): Promise<boolean | 'died'> {
    const opening = Log.open({
      disk: this.#life.disk,
      directory: DIRECTORY,
      shard: SHARD,
      clock: this.#life.clock,
      random: this.#life.random,
      segmentBytes: this.#segmentBytes,
      // As the index does. A write that went astray and tore can take away every witness that the log has of its own.
      ...(this.#damagedThisLife || this.#world.random.chance(0.3) ? { knownUpTo: toLsn(this.#model.covered) } : {}),
    })
    const opened = await this.#world.settle(this.#life, opening)
    if (opened.kind === 'died') return 'died'
    if (opened.kind === 'error') {
      // Two flips can take both headers that say which log this is; then it must say so.
      if (errorCode(opened.error) === 'LOG_UNREADABLE' && this.#bits === BITS_MAX) return false
      throw opened.error
    }
    const log = opened.value
    const { cut, mended } = log.recovery
    if (cut !== null) this.coverage.count('tail cut')
    if (mended.length > 0) this.coverage.count('footer or header mended', mended.length)
    this.#failed = false
    this.#log = log
    log.onDurable((lsn) => {
      const before = this.#model.durable
      this.#model.reportedDurable(lsn)
      this.coverage.count('records reported durable', lsn - before)
    })
    log.onFailure(() => {
      this.#failed = true
    })
    const before = this.#model.appendedUpTo
    const survived = this.#model.reopened(log.lastLsn, this.#damagedThisLife)
    this.coverage.count('unreported records that survived', survived)
    this.coverage.count('records cut', Math.max(0, before - log.lastLsn))
    this.#damagedThisLife = false
    this.#flippedAtRest = false
    return true
  }

  /** Everything in the log equals the model; damage is told, and only as much as was done. */
  async #readAll(): Promise<boolean> {
    const log = this.#log
    if (log === null) return false
    let rotten = 0
    let next = 1
    const dropped = ({ first, last }: { first: number; last: number }) => {
      if (first !== next) throw new AssertionFailure(`The scan came to the run ${first} to ${last} instead of ${next}`)
      this.#model.gone(first, last)
      next = last + 1
    }
    let told = 0
    while (next <= log.lastLsn) {
      const scan = log.scan(toLsn(next), log.lastLsn, { bodies: true, dropped }, (record) => {
        if (record.lsn !== next) throw new AssertionFailure(`The scan came to ${record.lsn} instead of ${next}`)
        this.#model.seen(record)
        next++
      })
      const scanned = await this.#world.settle(this.#life, scan)
      if (scanned.kind === 'died') return true
      if (scanned.kind === 'value') break
      if (!this.#mayBeRotten(scanned.error)) throw scanned.error
      // All of a dropped run are lost with the one header that they have left.
      if (told === 0 || told !== next - 1 || !this.#model.mayBeGone(next)) rotten++
      told = next
      next++
    }
    this.coverage.count('rotten records told', rotten)
    if (!this.#misdirected && rotten > this.#bits) {
      throw new AssertionFailure(`${rotten} records are rotten after ${this.#bits} flipped bits`)
    }
    return true
  }

  /** The end of a history: closed in peace, the files must satisfy a reader that shares no code with the log. */
  async #finish(): Promise<void> {
    while (this.#log === null || !this.#life.alive) if (!(await this.#restart())) return
    this.#machine.disk.disarm()
    this.#machine.disk.beforeOperation = () => {}
    await this.#world.pass(10_000)
    if (this.#failed) return
    const last = this.#log.lastLsn
    const closed = await this.#world.settle(this.#life, this.#log.close())
    if (closed.kind === 'error') throw closed.error
    const files = [...this.#machine.disk.stableFiles(`${DIRECTORY}/`)].filter(([path]) => path.endsWith('.seg'))
    this.coverage.count('segments sealed', files.length - 1)
    if (this.#bits > 0 || this.#misdirected) return
    const seen = checkRawLog(files.sort(([a], [b]) => (a < b ? -1 : 1)))
    if (seen !== last) throw new AssertionFailure(`The files end at ${seen}, the log said ${last}`)
  }

  #mayBeRotten(error: unknown): boolean {
    return errorCode(error) === 'LOG_ROTTEN_RECORD' && (this.#bits > 0 || this.#misdirected)
  }
}
