/**
 * Results that follow the mailbox (CONTEXT, RFC 5267 section 4.3): what a SEARCH or SORT with UPDATE found is kept, and every change of it is
 * told in the same breath as the change of the mailbox that made it: removals before EXPUNGE, additions behind EXISTS, so that
 * numbers always are those that the client has.
 */
import { CodedError } from '#lib/errors/coded-error.ts'
import type { Uid } from '#lib/mail/types.ts'
import { CONTEXT_RESULTS_MAX, CONTEXTS_MAX, FACTS_BATCH } from '../../limits.ts'
import type { MessageFacts } from '../../store.ts'
import { type SearchKey, someKey } from '../../syntax/search-keys.ts'
import { formatSequence } from '../../syntax/sequence-set.ts'
import type { SortCriterion } from '../../syntax/sort-criteria.ts'
import type { Addressing } from '../command.ts'
import type { SessionContext } from '../context.ts'
import type { SelectedMailbox, ViewWatcher } from '../selected-mailbox.ts'
import { compareRows, type SortRow, sortRow, sortsByFacts } from '../sort/order.ts'
import { fieldsOf } from '../sort/read-fields.ts'
import { NO_FIELDS } from '../sort/sort-fields.ts'
import { Candidate } from './candidate.ts'
import { compile } from './matcher.ts'

/** In which order results are kept: that of the mailbox, or by criteria, where places count. */
interface Results {
  readonly size: number
  has(uid: Uid): boolean
  /** @returns The place from 1 on; 0: places do not count. */
  add(uid: Uid, row: SortRow): number
  remove(uid: Uid): number
}

class SearchResults implements Results {
  readonly #uids: Set<number>

  constructor(uids: Iterable<number>) {
    this.#uids = new Set(uids)
  }

  get size(): number {
    return this.#uids.size
  }

  has(uid: Uid): boolean {
    return this.#uids.has(uid)
  }

  add(uid: Uid): number {
    this.#uids.add(uid)
    return 0
  }

  remove(uid: Uid): number {
    this.#uids.delete(uid)
    return 0
  }
}

class SortResults implements Results {
  readonly #rows: SortRow[]
  readonly #byUid: Map<number, SortRow>
  readonly #compare: (a: SortRow, b: SortRow) => number

  /** @param rows In order. */
  constructor(rows: readonly SortRow[], criteria: readonly SortCriterion[]) {
    this.#rows = [...rows]
    this.#byUid = new Map(rows.map((row) => [row.uid, row]))
    this.#compare = compareRows(criteria)
  }

  get size(): number {
    return this.#rows.length
  }

  has(uid: Uid): boolean {
    return this.#byUid.has(uid)
  }

  add(uid: Uid, row: SortRow): number {
    const at = this.#placeOf(row)
    this.#rows.splice(at, 0, row)
    this.#byUid.set(uid, row)
    return at + 1
  }

  remove(uid: Uid): number {
    const row = this.#byUid.get(uid)
    if (row === undefined) return 0
    const at = this.#placeOf(row)
    this.#rows.splice(at, 1)
    this.#byUid.delete(uid)
    return at + 1
  }

  /** The first place that is not before `row`; ties are broken by UID, so it is that of `row` itself if it is there. */
  #placeOf(row: SortRow): number {
    let low = 0
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(this.#rows[middle] as SortRow, row) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

interface UpdateContext {
  readonly by: Addressing
  readonly key: SearchKey
  /** Empty: in the order of the mailbox. */
  readonly criteria: readonly SortCriterion[]
  readonly results: Results
}

/** One command with UPDATE. */
export interface UpdateRequest {
  readonly tag: string
  readonly by: Addressing
  readonly key: SearchKey
  readonly found: { readonly kind: 'search'; readonly uids: readonly number[] } | SortFound
}

export interface SortFound {
  readonly kind: 'sort'
  readonly criteria: readonly SortCriterion[]
  readonly rows: readonly SortRow[]
}

export class SearchUpdates implements ViewWatcher {
  readonly #session: SessionContext
  readonly #mailbox: SelectedMailbox
  readonly #contexts = new Map<string, UpdateContext>()

  private constructor(session: SessionContext, mailbox: SelectedMailbox) {
    this.#session = session
    this.#mailbox = mailbox
  }

  /** Those of the open mailbox: they end with it. */
  static of(session: SessionContext): SearchUpdates {
    const { mailbox } = session
    if (mailbox.watcher instanceof SearchUpdates) return mailbox.watcher
    const updates = new SearchUpdates(session, mailbox)
    mailbox.watcher = updates
    return updates
  }

  has(tag: string): boolean {
    return this.#contexts.has(tag)
  }

  /** Follows a result from now on, or tells the client that it will not (RFC 5267 section 4.3.1). */
  follow({ tag, by, key, found }: UpdateRequest): void {
    const count = found.kind === 'search' ? found.uids.length : found.rows.length
    const why =
      this.#contexts.size >= CONTEXTS_MAX
        ? 'Too many results are followed'
        : count > CONTEXT_RESULTS_MAX
          ? 'The result is too large to be followed'
          : changesByItself(key)
            ? 'A result by sequence numbers, by age or by what is recent is not followed'
            : found.kind === 'sort' && found.criteria.some((criterion) => criterion.key === 'RELEVANCY')
              ? 'A result by relevancy is not followed'
              : null
    if (why !== null) {
      this.#refuse(tag, why)
      return
    }
    const criteria = found.kind === 'sort' ? found.criteria : []
    const results = found.kind === 'sort' ? new SortResults(found.rows, criteria) : new SearchResults(found.uids)
    this.#contexts.set(tag, { by, key, criteria, results })
  }

  /** @returns False if one of `tags` is not followed: then all others still are. */
  cancel(tags: readonly string[]): boolean {
    if (!tags.every((tag) => this.#contexts.has(tag))) return false
    for (const tag of tags) this.#contexts.delete(tag)
    return true
  }

  goes(uids: readonly Uid[]): void {
    for (const [tag, context] of this.#contexts)
      this.#tellRemoved(
        tag,
        context,
        uids.filter((uid) => context.results.has(uid)),
      )
  }

  async changed(facts: readonly MessageFacts[], firstNew: number): Promise<void> {
    for (const [tag, context] of this.#contexts) {
      try {
        await this.#bringUpToDate(tag, context, facts, firstNew)
      } catch (error) {
        // What cannot be read now can be searched for again later.
        if (!(error instanceof CodedError)) throw error
        this.#contexts.delete(tag)
        this.#refuse(tag, 'The result cannot be followed any more')
      }
    }
  }

  async #bringUpToDate(
    tag: string,
    context: UpdateContext,
    changed: readonly MessageFacts[],
    firstNew: number,
  ): Promise<void> {
    const mailbox = this.#mailbox
    const { host } = this.#session
    const matcher = compile(context.key, { mailbox, nowMs: host.clock.nowMs() })
    const removed: Uid[] = []
    const added: MessageFacts[] = []
    const look = async (facts: MessageFacts) => {
      const candidate = new Candidate(facts, mailbox.sequenceOf(facts.uid) - 1, mailbox, this.#session, matcher.texts)
      const matches = matcher.quick(candidate) ?? (await matcher.slow(candidate))
      if (matches === context.results.has(facts.uid)) return
      if (matches) added.push(facts)
      else removed.push(facts.uid)
    }
    for (const facts of changed) if (mailbox.sequenceOf(facts.uid) > 0) await look(facts)
    for (let from = firstNew; from < mailbox.exists; from += FACTS_BATCH) {
      const to = Math.min(mailbox.exists, from + FACTS_BATCH)
      for (const facts of mailbox.store.facts(mailbox.uids([{ from, to }]))) await look(facts)
      if (to < mailbox.exists) await host.pause()
    }
    this.#tellRemoved(tag, context, removed)
    await this.#tellAdded(tag, context, added)
    if (context.results.size <= CONTEXT_RESULTS_MAX) return
    this.#contexts.delete(tag)
    this.#refuse(tag, 'The result is too large to be followed')
  }

  #tellRemoved(tag: string, context: UpdateContext, uids: readonly Uid[]): void {
    if (uids.length === 0) return
    const places = uids.map((uid) => ({ place: context.results.remove(uid), number: this.#numberOf(uid, context.by) }))
    this.#tell(tag, context, 'REMOVEFROM', places)
  }

  async #tellAdded(tag: string, context: UpdateContext, added: readonly MessageFacts[]): Promise<void> {
    if (added.length === 0) return
    const { criteria, results } = context
    const places: { place: number; number: number }[] = []
    for (const facts of added) {
      const fields = sortsByFacts(criteria) ? NO_FIELDS : await fieldsOf(this.#session, this.#mailbox, facts)
      const place = results.add(facts.uid, sortRow(0, facts, fields, criteria))
      places.push({ place, number: this.#numberOf(facts.uid, context.by) })
    }
    this.#tell(tag, context, 'ADDTO', places)
  }

  #tell(
    tag: string,
    { by, criteria }: UpdateContext,
    item: 'ADDTO' | 'REMOVEFROM',
    places: readonly { readonly place: number; readonly number: number }[],
  ): void {
    // Where places do not count, all of it is one set in the order of the mailbox (RFC 5267 section 4.3.3).
    const pairs =
      criteria.length === 0
        ? `0 ${formatSequence(places.map(({ number }) => number).sort((a, b) => a - b))}`
        : places.map(({ place, number }) => `${place} ${number}`).join(' ')
    this.#session.out.untagged(`ESEARCH (TAG "${tag}")${by === 'uid' ? ' UID' : ''} ${item} (${pairs})`)
  }

  #refuse(tag: string, why: string): void {
    this.#session.out.untagged(`NO [NOUPDATE "${tag}"] ${why}`)
  }

  #numberOf(uid: Uid, by: Addressing): number {
    return by === 'uid' ? uid : this.#mailbox.sequenceOf(uid)
  }
}

/** The result changes though no message does, or means something else after an expunge. */
function changesByItself(key: SearchKey): boolean {
  return someKey(key, (part) => {
    switch (part.kind) {
      case 'sequence':
      case 'recent':
      case 'older':
      case 'younger':
        return true
      case 'uid':
        return part.set.saved || part.set.hasStar
      default:
        return false
    }
  })
}
