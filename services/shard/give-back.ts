/**
 * Looks every second whether the shard should go back to the member it prefers (`roles/give-back.ts`), and hands it over then.
 * Invariant: of all shards of a member one is given back at a time. They are processes of one pod: a lock on their volume
 * decides whose turn it is, held until the new primary has had time to begin.
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import type { HeldLock, ReplicaLock } from './log/lock.ts'
import type { MachineStatus } from './replication/machine-types.ts'
import { Since } from './replication/since.ts'
import { whyKeep } from './roles/give-back.ts'

const LOOK_MS = 1_000
/** Beside the replica directories of all shards of the member. */
const TURN_LOCK = 'giving-back.lock'
/** A member that takes over brings its index up and meets its clients before the next shard comes. */
const TURN_MS = 5_000

export interface GiveBackOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** This is the member that the shard prefers: nothing is ever given back from here. */
  readonly preferred: boolean
  readonly afterMs: number | null
  readonly lock: ReplicaLock
  readonly status: () => MachineStatus
  readonly handOver: () => Promise<void>
}

export class GiveBack {
  readonly #options: GiveBackOptions
  readonly #paired = new Since()
  #triedMs: number | null = null
  readonly #ending = new AbortController()
  #cancelLook = () => {}
  #trying: Promise<void> = Promise.resolve()

  constructor(options: GiveBackOptions) {
    this.#options = options
    if (!options.preferred && options.afterMs !== null) this.#look()
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#ending.abort(new Error('the replica stops'))
    this.#cancelLook()
    await this.#trying
  }

  #look(): void {
    const { clock, status, afterMs } = this.#options
    const nowMs = clock.monotonicMs()
    const { role, entry, settled, ledger, mirror } = status()
    const primary = role === 'primary'
    this.#paired.set(primary && settled && entry?.inSync.length === 2 && mirror?.phase === 'streaming', nowMs)
    const why = whyKeep({
      awayFromHome: primary,
      afterMs,
      pairedMs: this.#paired.forMs(nowMs),
      triedMs: this.#triedMs === null ? null : nowMs - this.#triedMs,
      ledger,
      peerStandsBack: mirror?.standsBack ?? true,
      peerDamaged: mirror?.damaged ?? true,
      lagBytes: mirror?.lagBytes ?? 0,
    })
    if (why === null) this.#trying = this.#try()
    this.#cancelLook = clock.after(LOOK_MS, () => this.#look())
  }

  async #try(): Promise<void> {
    const { clock, logger, lock, handOver } = this.#options
    let turn: HeldLock
    try {
      turn = await lock.take(TURN_LOCK)
    } catch (error) {
      // Another shard of this member is given back now: the next look asks again.
      if (errorCode(error) !== 'REPLICA_LOCKED') logger.warn({ err: error }, 'nothing can be given back')
      return
    }
    this.#triedMs = clock.monotonicMs()
    try {
      logger.info('giving the shard back to the member it prefers')
      await handOver()
      await sleep(clock, TURN_MS, this.#ending.signal)
    } catch (error) {
      logger.info({ reason: errorMessage(error) }, 'the shard was not given back, it is tried again later')
    } finally {
      await turn.release()
    }
  }
}
