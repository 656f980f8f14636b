/**
 * Leader election on a Lease: the I/O around election-state.ts. `leading` is computed at the moment it is asked, so that code
 * that slept finds out before it acts; every change that a leader makes must ask it (ApiClient's `mayWrite`).
 */
import { type Clock, sleep } from '#lib/ports/clock.ts'
import type { ApiClient, ObjectToWrite } from './api-client.ts'
import { kubeErrorCode } from './api-error.ts'
import {
  checkTimes,
  decideElection,
  ELECTION_TIMES,
  type ElectionTimes,
  type LeaseRecord,
  mayCreate,
  type Observation,
  observe,
  type Tenure,
  tenureLeftMs,
} from './election-state.ts'
import type { KubeObject } from './kube-object.ts'
import { microTime } from './micro-time.ts'
import { LEASES } from './resources.ts'

export interface ElectorOptions {
  /** Its answers must be bounded well below `renewDeadlineMs`. */
  readonly client: ApiClient
  readonly namespace: string
  readonly name: string
  /** Never used by another process life: pod name and UID, or pod name and something random. */
  readonly identity: string
  readonly clock: Clock
  readonly started: () => void
  /** Called once, when the right to lead is gone; the elector does not try again. */
  readonly lost: (reason: string) => void
  readonly failed?: (error: unknown) => void
  readonly times?: ElectionTimes
}

export class Elector {
  readonly #options: ElectorOptions
  readonly #times: ElectionTimes
  readonly #abort = new AbortController()
  #done: Promise<void> | null = null
  #lease: KubeObject | null = null
  #observation: Observation | null = null
  #missingSinceMs: number | null = null
  #tenure: Tenure | null = null
  #wasLeading = false
  #cancelDeadline = () => {}

  constructor(options: ElectorOptions) {
    this.#options = options
    this.#times = options.times ?? ELECTION_TIMES
    checkTimes(this.#times)
  }

  /** Whether this process leads at this very moment. */
  get leading(): boolean {
    return this.#leftMs() > 0
  }

  /** Who holds the Lease as far as is known; '' for nobody. */
  get holder(): string {
    return this.#observation?.record.holder ?? ''
  }

  start(): void {
    this.#done ??= this.#loop()
  }

  /** Ends the election; a Lease that is held is given back, so that another may lead at once. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#cancelDeadline()
    await this.#done
    if (!this.leading || this.#lease === null) return
    const released = this.#record(this.#lease, { holder: '', leaseMs: 1_000 })
    this.#tenure = null
    await this.#options.client.replace(LEASES, released).catch((error: unknown) => this.#options.failed?.(error))
  }

  async #loop(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#abort
    while (!signal.aborted) {
      try {
        await this.#attempt()
      } catch (error) {
        this.#lease = null // whatever happened, look again before the next write
        this.#options.failed?.(error)
      }
      if (this.#wasLeading && !this.leading) return this.#lose('the Lease could not be renewed in time')
      await sleep(clock, this.#times.retryMs, signal).catch(() => {})
    }
  }

  async #attempt(): Promise<void> {
    const { client, namespace, name, identity, clock } = this.#options
    // A leader that renews knows what it wrote last; everybody else looks first.
    const lease = this.leading && this.#lease !== null ? this.#lease : await client.get(LEASES, namespace, name)
    if (lease === null) {
      this.#missingSinceMs ??= clock.monotonicMs()
      // Whoever leads itself knows that nobody else does.
      if (this.leading || mayCreate(this.#observation, this.#missingSinceMs, clock.monotonicMs()))
        await this.#take(null)
      return
    }
    this.#missingSinceMs = null
    this.#lease = lease
    this.#observation = observe(this.#observation, recordOf(lease), clock.monotonicMs())
    if (this.#wasLeading && this.holder !== identity) return this.#lose(`${this.holder} holds the Lease`)
    if (decideElection(this.#observation, identity, clock.monotonicMs()).kind === 'take') await this.#take(lease)
  }

  async #take(lease: KubeObject | null): Promise<void> {
    const { client, namespace, name, identity, clock, started } = this.#options
    const tenure: Tenure = { sentAtMs: clock.monotonicMs(), sentAtWallMs: clock.nowMs() }
    const wanted = this.#record(lease ?? { metadata: { namespace, name } }, {
      holder: identity,
      leaseMs: this.#times.leaseMs,
    })
    try {
      this.#lease = lease === null ? await client.create(LEASES, wanted) : await client.replace(LEASES, wanted)
    } catch (error) {
      const code = kubeErrorCode(error)
      if (code !== 'KUBE_CONFLICT' && code !== 'KUBE_EXISTS') throw error
      this.#lease = null // somebody wrote in between: look at it the next time
      return
    }
    if (this.#abort.signal.aborted && !this.#wasLeading) return
    this.#tenure = tenure
    this.#observation = observe(this.#observation, recordOf(this.#lease), clock.monotonicMs())
    this.#cancelDeadline()
    this.#cancelDeadline = clock.after(this.#leftMs(), () => {
      if (!this.leading) this.#lose('the Lease could not be renewed in time')
    })
    if (this.#wasLeading || !this.leading) return
    this.#wasLeading = true
    started()
  }

  #lose(reason: string): void {
    if (!this.#wasLeading) return
    this.#wasLeading = false
    this.#tenure = null
    this.#cancelDeadline()
    this.#abort.abort()
    this.#options.lost(reason)
  }

  #leftMs(): number {
    const { clock } = this.#options
    return this.#tenure === null ? 0 : tenureLeftMs(this.#tenure, this.#times, clock.monotonicMs(), clock.nowMs())
  }

  /** The Lease as it is to be written: all that others put there stays. */
  #record(lease: ObjectToWrite, to: { readonly holder: string; readonly leaseMs: number }): ObjectToWrite {
    const now = microTime(this.#options.clock.nowMs())
    const before = specOf(lease)
    const changes = to.holder !== '' && before['holderIdentity'] !== to.holder
    return {
      ...lease,
      spec: {
        ...before,
        holderIdentity: to.holder,
        leaseDurationSeconds: to.leaseMs / 1_000,
        renewTime: now,
        acquireTime: changes ? now : (before['acquireTime'] ?? now),
        leaseTransitions: Number(before['leaseTransitions'] ?? 0) + (changes ? 1 : 0),
      },
    }
  }
}

/** What a Lease says; a field that is missing or wrong reads as the most cautious value. */
export function recordOf(lease: ObjectToWrite): LeaseRecord {
  const spec = specOf(lease)
  const { holderIdentity, leaseDurationSeconds, renewTime, leaseTransitions } = spec
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    leaseMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1_000 : ELECTION_TIMES.leaseMs,
    renewTime: typeof renewTime === 'string' ? renewTime : '',
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
  }
}

function specOf(lease: ObjectToWrite): Readonly<Record<string, unknown>> {
  const spec = lease['spec']
  return typeof spec === 'object' && spec !== null ? (spec as Record<string, unknown>) : {}
}
