/**
 * Tells users in `kubectl events` what was done and why, as events.k8s.io/v1. Never in the way: `record` returns at once, writing
 * goes on behind it in order, and an Event that cannot be written is counted and given up.
 */
import type { Clock } from '#lib/ports/clock.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import type { ApiClient } from './api-client.ts'
import { kubeErrorCode } from './api-error.ts'
import { EventAggregator, type EventFact } from './event-aggregator.ts'
import type { KubeObject } from './kube-object.ts'
import { microTime } from './micro-time.ts'
import { EVENTS } from './resources.ts'

export interface EventRecorderOptions {
  readonly client: Pick<ApiClient, 'create' | 'mergePatch'>
  /** As `twinpost.io/operator`. */
  readonly controller: string
  /** Name of the pod. */
  readonly instance: string
  readonly clock: Clock
  readonly random: Random
  readonly failed?: (error: unknown) => void
}

export type EventToRecord = Omit<EventFact, 'regardingUid'>

const WAITING_MAX = 500
const NOTE_CHARACTERS_MAX = 1_024 // the API's own bound
const NAME_CHARACTERS_MAX = 240
const ID_CHARACTERS = 12

export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #aggregator = new EventAggregator()
  /** Names of the objects that hold a series. */
  readonly #names = new Map<string, { readonly namespace: string; readonly name: string }>()
  #last: Promise<void> = Promise.resolve()
  #waiting = 0
  #lost = 0

  constructor(options: EventRecorderOptions) {
    this.#options = options
  }

  /** Events that could not be written. */
  get lost(): number {
    return this.#lost
  }

  record(regarding: KubeObject, event: EventToRecord): void {
    const { clock, random } = this.#options
    const note = event.note.slice(0, NOTE_CHARACTERS_MAX)
    const nowMs = clock.nowMs()
    const fact = { ...event, note, regardingUid: regarding.metadata.uid ?? regarding.metadata.name }
    const action = this.#aggregator.decide(fact, nowMs)
    switch (action.kind) {
      case 'drop':
        return
      case 'create': {
        const namespace = regarding.metadata.namespace ?? 'default'
        const name = `${regarding.metadata.name.slice(0, NAME_CHARACTERS_MAX)}.${randomId(random, ID_CHARACTERS)}`
        for (const series of this.#names.keys()) if (!this.#aggregator.has(series)) this.#names.delete(series)
        this.#names.set(action.series, { namespace, name })
        this.#write(action.series, () => this.#create({ namespace, name }, regarding, { ...event, note }, nowMs))
        return
      }
      case 'repeat':
        this.#write(action.series, () => this.#repeat(action.series, action.count, nowMs))
        return
      default:
        action satisfies never
    }
  }

  /** Resolves when what was recorded so far is written or given up. */
  async flush(): Promise<void> {
    await this.#last
  }

  #write(series: string, write: () => Promise<unknown>): void {
    if (this.#waiting >= WAITING_MAX) {
      this.#lost++
      return
    }
    this.#waiting++
    this.#last = this.#last.then(write).then(
      () => {
        this.#waiting--
      },
      (error: unknown) => {
        this.#waiting--
        this.#lost++
        this.#aggregator.forget(series)
        this.#names.delete(series)
        // An Event that the server has removed by its age is told again the next time; nothing is wrong.
        if (kubeErrorCode(error) !== 'KUBE_NOT_FOUND') this.#options.failed?.(error)
      },
    )
  }

  #create(
    metadata: { readonly namespace: string; readonly name: string },
    regarding: KubeObject,
    { type, reason, action, note }: EventToRecord,
    nowMs: number,
  ): Promise<KubeObject> {
    const { client, controller, instance } = this.#options
    const { namespace, name, uid, resourceVersion } = regarding.metadata
    return client.create(EVENTS, {
      metadata,
      eventTime: microTime(nowMs),
      reportingController: controller,
      reportingInstance: instance,
      type,
      reason,
      action,
      note,
      regarding: { apiVersion: regarding.apiVersion, kind: regarding.kind, namespace, name, uid, resourceVersion },
    })
  }

  async #repeat(series: string, count: number, nowMs: number): Promise<void> {
    const written = this.#names.get(series)
    if (!written) return
    const patch = { series: { count, lastObservedTime: microTime(nowMs) } }
    await this.#options.client.mergePatch(EVENTS, written.namespace, written.name, patch)
  }
}
