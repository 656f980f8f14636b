/**
 * Looks in the DNS for records of keys that wait for them, beside the work on Domains: a resolver that hangs delays no Domain.
 * `arePublished` answers at once with what is known; when that changes, the Domain is looked at again.
 *
 * Invariants: only keys that wait are asked for; a question is asked again later and later, at most once an hour; no answer counts
 * as not published. What was seen once is not asked again.
 */
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { WorkQueue } from '#operator/runtime/work-queue.ts'
import { saysSameKey } from './records.ts'

/** Texts of the TXT records of a name, each in one piece; none if there is no such name. */
export type TxtLookup = (name: string) => Promise<readonly string[]>

export interface KeyQuestion {
  /** As `tp1-rsa._domainkey.example.test`. */
  readonly name: string
  readonly text: string
}

const LOOKUPS_AT_A_TIME = 8
const AGAIN = { firstMs: 30_000, maxMs: 3_600_000 }

interface Asked {
  /** By their questions as text: whether all records were seen. */
  readonly sets: Map<string, { readonly questions: readonly KeyQuestion[]; seen: boolean }>
  tries: number
}

export class KeyWatch {
  readonly #asked = new Map<string, Asked>()
  readonly #queue: WorkQueue

  /** @param published Called with the key of a Domain when records of a set of its were seen. */
  constructor(options: {
    readonly lookup: TxtLookup
    readonly clock: Clock
    readonly random: Random
    readonly published: (domain: string) => void
  }) {
    this.#queue = new WorkQueue({
      work: async (key) => {
        const asked = this.#asked.get(key)
        if (asked === undefined) return null
        asked.tries++
        let isNew = false
        for (const set of asked.sets.values()) {
          if (!set.seen && (await areThere(set.questions, options.lookup))) isNew = set.seen = true
        }
        if (isNew) options.published(key)
        const isDone = [...asked.sets.values()].every(({ seen }) => seen)
        return isDone ? null : Math.min(AGAIN.maxMs, AGAIN.firstMs * 2 ** Math.min(asked.tries - 1, 20))
      },
      clock: options.clock,
      random: options.random,
      workers: LOOKUPS_AT_A_TIME,
      backoff: AGAIN,
      retryAfterMs: () => null,
      failed: () => {}, // no answer from the DNS says nothing: it is asked again
    })
    this.#queue.start()
  }

  /**
   * Whether all records of each set are known to be there. Those that are not are looked for from now on, those of no set of this
   * call no longer.
   */
  arePublished(domain: string, sets: readonly (readonly KeyQuestion[])[]): boolean[] {
    const before = this.#asked.get(domain)?.sets
    const wanted = sets.map((questions) => ({ questions, id: JSON.stringify(questions) }))
    const isNew = wanted.some(({ id }) => before?.has(id) !== true)
    const present = new Map(wanted.map(({ id, questions }) => [id, before?.get(id) ?? { questions, seen: false }]))
    if (isNew) {
      this.#asked.set(domain, { sets: present, tries: 0 })
      this.#queue.add(domain)
    }
    return wanted.map(({ id }) => present.get(id)?.seen === true)
  }

  /** Nothing waits there any more. */
  forget(domain: string): void {
    this.#asked.delete(domain)
  }

  async stop(): Promise<void> {
    await this.#queue.stop()
  }
}

async function areThere(questions: readonly KeyQuestion[], lookup: TxtLookup): Promise<boolean> {
  for (const { name, text } of questions) {
    if (!(await lookup(name)).some((found) => saysSameKey(found, text))) return false
  }
  return true
}
