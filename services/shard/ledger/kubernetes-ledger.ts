/**
 * The ledger in Kubernetes: per shard one Lease `<mailnode>-<shard>`, which the operator makes and members may only get and update
 * by name. The entry is JSON in one annotation; the fields of the spec are for people who look with kubectl.
 *
 * A read is a get without a version, which the API server answers from a quorum of etcd. A swap is an update that carries the
 * version that was read, so that it lands on exactly that object or not at all; versions never come back, not even when a Lease is
 * deleted or put back to an older copy. What is not certain is `unknown`: no answer, no answer in time, every 5xx.
 */
import { assert } from '#lib/errors/assert.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { ShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { KubernetesAnswer, KubernetesApi } from './kubernetes-api.ts'
import { type Ledger, type LedgerEntry, LedgerError, parseLedgerEntry, type SwapOutcome } from './types.ts'

export const LEDGER_ANNOTATION = 'twinpost.io/ledger'
/**
 * Bound of one call here. The agent stops waiting after `swapMs`, which is shorter: an answer that comes later than that still
 * settles what it took for unknown, so the request is not thrown away at once.
 */
const CALL_MS = 2_000
/** The server gives up a request after so long, so that a swap lands at once or never. Whole seconds. */
const SERVER_TIMEOUT = '1s'
const TRANSITIONS_MAX = 2 ** 31 - 1
const SAID_CHARACTERS_MAX = 200

interface SeenLease {
  readonly lease: Readonly<Record<string, unknown>>
  /** Null: the Lease holds no entry yet. */
  readonly entry: LedgerEntry | null
}

export class KubernetesLedger implements Ledger {
  readonly #api: Pick<KubernetesApi, 'send'>
  readonly #namespace: string
  readonly #clock: Clock
  /** The Leases as they were last read or written: a swap carries their version. */
  readonly #seen = new Map<ShardName, SeenLease>()

  constructor(options: {
    readonly api: Pick<KubernetesApi, 'send'>
    readonly namespace: string
    readonly clock: Clock
  }) {
    this.#api = options.api
    this.#namespace = options.namespace
    this.#clock = options.clock
  }

  async read(shard: ShardName): Promise<LedgerEntry | null> {
    return (await this.#get(shard, this.#deadline()))?.entry ?? null
  }

  async compareAndSwap(shard: ShardName, from: LedgerEntry | null, to: LedgerEntry): Promise<SwapOutcome> {
    assert(to.version > (from?.version ?? 0), 'a swap raises the version')
    const deadlineMs = this.#deadline()
    const known = this.#seen.get(shard)
    const seen = known !== undefined && isSame(known.entry, from) ? known : await this.#get(shard, deadlineMs)
    // A Lease that is not there cannot be written, whatever was expected in it: the operator makes it.
    if (seen === null || !isSame(seen.entry, from)) return { kind: 'conflict' }
    this.#seen.delete(shard) // whatever comes, this version is not used twice
    let answer: KubernetesAnswer
    try {
      const body = JSON.stringify(this.#leaseWith(seen.lease, to))
      answer = await this.#api.send('PUT', `${this.#path(shard)}?timeout=${SERVER_TIMEOUT}`, body, deadlineMs)
    } catch (cause) {
      return { kind: 'unknown', cause }
    }
    if (answer.status < 300) {
      this.#noteWritten(shard, answer.body)
      return { kind: 'ok' }
    }
    if (answer.status === 404 && isStatusNotFound(answer.body)) return { kind: 'conflict' }
    if (answer.status === 409) return this.#afterConflict(shard, to, deadlineMs)
    return { kind: 'unknown', cause: this.#refused(shard, 'write', answer) }
  }

  /**
   * A 409 says that the object has another version now. Between us and the API server may be a proxy that sent our update twice:
   * then the first one landed and made the conflict. Only another nonce in the Lease proves that it did not.
   */
  async #afterConflict(shard: ShardName, to: LedgerEntry, deadlineMs: number): Promise<SwapOutcome> {
    try {
      const now = await this.#get(shard, deadlineMs)
      return { kind: now !== null && isSame(now.entry, to) ? 'ok' : 'conflict' }
    } catch (cause) {
      return { kind: 'unknown', cause }
    }
  }

  /** Null: there is no such Lease. */
  async #get(shard: ShardName, deadlineMs: number): Promise<SeenLease | null> {
    let answer: KubernetesAnswer
    try {
      answer = await this.#api.send('GET', this.#path(shard), null, deadlineMs)
    } catch (cause) {
      throw new LedgerError('LEDGER_UNAVAILABLE', `Cannot read the ledger of ${shard}: ${errorMessage(cause)}`, {
        cause,
      })
    }
    // A path that nobody serves answers 404 too, and is no proof that the Lease is gone.
    if (answer.status === 404 && isStatusNotFound(answer.body)) {
      this.#seen.delete(shard)
      return null
    }
    if (answer.status !== 200) throw this.#refused(shard, 'read', answer)
    return this.#note(shard, answer.body)
  }

  #note(shard: ShardName, body: string): SeenLease {
    this.#seen.delete(shard)
    const lease = parseLease(shard, body)
    const text = annotationsOf(lease)[LEDGER_ANNOTATION]
    const seen = { lease, entry: typeof text === 'string' ? parseLedgerEntry(shard, text) : null }
    this.#seen.set(shard, seen)
    return seen
  }

  /** Keeps the version of what was just written; where the answer does not show it the next swap reads first. */
  #noteWritten(shard: ShardName, body: string): void {
    try {
      this.#note(shard, body)
    } catch {
      this.#seen.delete(shard)
    }
  }

  /** The Lease with `entry`; everything that others wrote there stays. */
  #leaseWith(lease: Readonly<Record<string, unknown>>, entry: LedgerEntry): Record<string, unknown> {
    const now = new Date(this.#clock.nowMs()).toISOString().replace('Z', '000Z') // MicroTime: exactly six digits
    const primary = entry.replicas.find((replica) => replica.id === entry.primary)
    const before = recordOf(lease['spec'])
    const holder = primary === undefined ? entry.primary : `member ${primary.member}`
    return {
      ...lease,
      metadata: {
        ...recordOf(lease['metadata']),
        annotations: { ...annotationsOf(lease), [LEDGER_ANNOTATION]: JSON.stringify(entry) },
      },
      spec: {
        ...before,
        holderIdentity: holder,
        leaseTransitions: Math.min(entry.epoch, TRANSITIONS_MAX),
        renewTime: now,
        acquireTime: before['holderIdentity'] === holder ? (before['acquireTime'] ?? now) : now,
      },
    }
  }

  #path(shard: ShardName): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.#namespace}/leases/${leaseName(shard)}`
  }

  #deadline(): number {
    return this.#clock.monotonicMs() + CALL_MS
  }

  #refused(shard: ShardName, verb: 'read' | 'write', answer: KubernetesAnswer): LedgerError {
    const lease = `${this.#namespace}/${leaseName(shard)}`
    const advice = answer.status === 403 ? '; the Role of the MailNode must allow get and update of it' : ''
    return new LedgerError(
      'LEDGER_UNAVAILABLE',
      `Cannot ${verb} the ledger of ${shard}: the API server says ${answer.status} about Lease ${lease}${advice}`,
      { details: { status: answer.status, said: answer.body.slice(0, SAID_CHARACTERS_MAX) } },
    )
  }
}

/** Name of the Lease of a shard: `n1/0` is `n1-0`. */
export function leaseName(shard: ShardName): string {
  return shard.replace('/', '-')
}

function isSame(a: LedgerEntry | null, b: LedgerEntry | null): boolean {
  return a?.version === b?.version && a?.nonce === b?.nonce
}

function parseLease(shard: ShardName, body: string): Record<string, unknown> {
  try {
    const lease: unknown = JSON.parse(body)
    if (recordOf(recordOf(lease)['metadata'])['resourceVersion'] !== undefined) return recordOf(lease)
  } catch {
    // Below: an answer that is no Lease says nothing about the ledger.
  }
  throw new LedgerError('LEDGER_UNAVAILABLE', `Cannot read the ledger of ${shard}: the answer is no Lease`)
}

function annotationsOf(lease: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return recordOf(recordOf(lease['metadata'])['annotations'])
}

function isStatusNotFound(body: string): boolean {
  try {
    return recordOf(JSON.parse(body))['reason'] === 'NotFound'
  } catch {
    return false
  }
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}
