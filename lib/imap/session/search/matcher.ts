/**
 * Search keys made ready for one mailbox. Facts are asked first, then the header, then the body: `quick` decides on facts and on what a text
 * index rules out, or says null, and only then `slow` reads. Of several keys that must all match the cheap ones go first.
 */
import { decodeWords, type Headers, parseDate } from '#lib/mime/mod.ts'
import type { MessageFacts, TextFilter, TextWish, UidRange } from '../../store.ts'
import { type Day, dayOf } from '../../syntax/dates.ts'
import { mergeRanges } from '../../syntax/ranges.ts'
import type { DateRelation, SearchKey } from '../../syntax/search-keys.ts'
import { contains, type Ranges } from '../../syntax/sequence-set.ts'
import type { SelectedMailbox } from '../selected-mailbox.ts'
import { threadId } from '../thread/thread-id.ts'
import type { Candidate } from './candidate.ts'
import { fold } from './fold.ts'

/** Facts at no cost, the header by one read, the body by a scan. */
type Cost = 0 | 1 | 2

interface KeyMatcher {
  readonly cost: Cost
  quick(message: Candidate): boolean | null
  slow(message: Candidate): Promise<boolean>
  /** How well a message matches that does (RFC 6203 section 4); absent: wholly, or not at all. */
  score?(message: Candidate): Promise<number>
}

export interface Matcher {
  quick(message: Candidate): boolean | null
  slow(message: Candidate): Promise<boolean>
  /** 1 to 100, of a message that matches. */
  score(message: Candidate): Promise<number>
  /** Folded texts of all BODY and TEXT keys. */
  readonly texts: ReadonlySet<string>
  /** What a text index could be asked. */
  readonly wishes: readonly TextWish[]
  /** Uses what it says. @returns UIDs outside of which nothing matches, if it says so. */
  filter(filter: TextFilter): readonly UidRange[] | null
}

/** What the keys of one search have in common. */
class Gathered {
  readonly texts = new Set<string>()
  readonly wishes: TextWish[] = []
  filter: TextFilter | null = null
  /** Of keys that each match must have: the texts of which it needs one at least. */
  readonly #needed: (readonly TextWish[])[] = []

  need(...wishes: readonly TextWish[]): void {
    this.#needed.push(wishes)
  }

  /** UIDs outside of which nothing matches, by the key that says most; null: none says anything. */
  within(): readonly UidRange[] | null {
    const known = this.#needed.flatMap((wishes) => {
      const ranges = wishes.flatMap((wish) => [this.filter?.within.get(wish) ?? null])
      return ranges.includes(null) ? [] : [mergeRanges(ranges.flatMap((range) => range ?? []))]
    })
    return known.toSorted((a, b) => a.length - b.length)[0] ?? null
  }

  wish(part: TextWish['part'], text: string): TextWish {
    const wish = { part, text }
    this.wishes.push(wish)
    return wish
  }

  /** False: certainly not. */
  mayHave(wish: TextWish, message: Candidate): boolean {
    return this.filter === null || this.filter.mayHave(wish, message.facts)
  }
}

/** What a search is asked in: both are fixed when it begins. */
export interface SearchMoment {
  readonly mailbox: SelectedMailbox
  readonly nowMs: number
}

export function compile(key: SearchKey, moment: SearchMoment): Matcher {
  const gathered = new Gathered()
  const matcher = compileKey(key, moment, gathered, true)
  return {
    quick: (message) => matcher.quick(message),
    slow: (message) => matcher.slow(message),
    score: (message) => scoreOf(matcher, message),
    texts: gathered.texts,
    wishes: gathered.wishes,
    filter(filter) {
      gathered.filter = filter
      return gathered.within()
    },
  }
}

/** @param needed Every match must match this key. */
function compileKey(key: SearchKey, moment: SearchMoment, gathered: Gathered, needed: boolean): KeyMatcher {
  const { mailbox, nowMs } = moment
  switch (key.kind) {
    case 'all':
      return onFacts(() => true)
    case 'recent':
      return onFacts((message) => message.recent)
    case 'and':
      return combine(
        key.keys.map((part) => compileKey(part, moment, gathered, needed)),
        false,
      )
    case 'or':
      return combine(
        key.keys.map((part) => compileKey(part, moment, gathered, false)),
        true,
      )
    case 'not': {
      const inner = compileKey(key.key, moment, gathered, false)
      return {
        cost: inner.cost,
        quick: (message) => {
          const matches = inner.quick(message)
          return matches === null ? null : !matches
        },
        slow: async (message) => !(await inner.slow(message)),
      }
    }
    case 'sequence':
    case 'uid': {
      const positions = positionsOf(key, mailbox)
      return onFacts((message) => contains(positions, message.index))
    }
    case 'flag':
      return onFacts((message) => (message.facts.flags.system & key.bit) !== 0)
    case 'keyword': {
      const wanted = key.name.toLowerCase()
      return onFacts((message) => message.facts.flags.keywords.some((name) => name.toLowerCase() === wanted))
    }
    case 'larger':
      return onFacts((message) => message.facts.sizeBytes > key.bytes)
    case 'smaller':
      return onFacts((message) => message.facts.sizeBytes < key.bytes)
    case 'internal-date':
      return onFacts((message) => related(dayOf(message.facts.internalDateMs), key.relation, key.day))
    case 'save-date':
      return onFacts((message) => related(dayOf(message.facts.saveDateMs), key.relation, key.day))
    case 'older':
      // RFC 5032 section 3: at the edge a message is old.
      return onFacts((message) => message.facts.internalDateMs <= nowMs - key.seconds * 1000)
    case 'younger':
      return onFacts((message) => message.facts.internalDateMs > nowMs - key.seconds * 1000)
    case 'mod-seq':
      return onFacts((message) => message.facts.modSeq >= key.modSeq)
    case 'email-id':
      return onFacts((message) => message.facts.emailId === key.id)
    case 'thread-id':
      return onHeader((headers, { emailId }) => headers !== null && threadId(headers, emailId) === key.id)
    case 'sent-date':
      return onHeader((headers) => {
        const date = parseDate(headers?.first('date') ?? '')
        // The day that the sender's calendar showed (RFC 9051 section 6.4.4: "disregarding time and timezone").
        return date !== null && related(dayOf(date.ms + date.zoneMinutes * 60_000), key.relation, key.day)
      })
    case 'header': {
      const wanted = fold(key.text)
      const wish = wanted === '' ? null : gathered.wish('header', wanted)
      if (needed && wish !== null) gathered.need(wish)
      const inHeader = onHeader((headers) => {
        const values = headers?.all(key.field) ?? []
        return values.some((value) => wanted === '' || fold(decodeWords(value)).includes(wanted))
      })
      return {
        ...inHeader,
        quick: (message) => (wish !== null && !gathered.mayHave(wish, message) ? false : inHeader.quick(message)),
      }
    }
    case 'body': {
      const wanted = fold(key.text)
      gathered.texts.add(wanted)
      const wish = gathered.wish('body', wanted)
      if (needed) gathered.need(wish)
      return onBytes(
        (message) => gathered.mayHave(wish, message),
        (message) => message.bodyHas(wanted),
      )
    }
    case 'text': {
      const wanted = fold(key.text)
      gathered.texts.add(wanted)
      const [header, body] = [gathered.wish('header', wanted), gathered.wish('body', wanted)]
      if (needed) gathered.need(header, body)
      return onBytes(
        (message) => gathered.mayHave(header, message) || gathered.mayHave(body, message),
        async (message) =>
          (gathered.mayHave(header, message) && (await message.headerHas(wanted))) ||
          (gathered.mayHave(body, message) && (await message.bodyHas(wanted))),
      )
    }
    case 'fuzzy': {
      const compiled = (text: SearchKey) => compileKey(text, moment, gathered, false)
      if (key.words.length === 0) return compileKey(key.exact, moment, gathered, needed)
      const exact = compiled(key.exact)
      const words = key.words.map(({ word, loose }) => ({ word: compiled(word), loose: compiled(loose) }))
      // A letter with the text has its words, and one with a word its beginning.
      const any = combine(
        words.map(({ loose }) => loose),
        true,
      )
      return { ...any, score: (message) => fuzzyScore(exact, words, message) }
    }
    default:
      return key satisfies never
  }
}

/** The text as it was typed is best; then each word counts, and more than a word that only begins like it. */
async function fuzzyScore(
  exact: KeyMatcher,
  words: readonly { readonly word: KeyMatcher; readonly loose: KeyMatcher }[],
  message: Candidate,
): Promise<number> {
  if (await matches(exact, message)) return SCORE_MAX
  let sum = 0
  for (const { word, loose } of words) {
    if (await matches(word, message)) sum += 1
    else if (await matches(loose, message)) sum += LOOSE_SHARE
  }
  return Math.max(1, Math.round(((SCORE_MAX - 1) * sum) / words.length))
}

const SCORE_MAX = 100
const LOOSE_SHARE = 0.6

async function matches(matcher: KeyMatcher, message: Candidate): Promise<boolean> {
  return matcher.quick(message) ?? matcher.slow(message)
}

async function scoreOf(matcher: KeyMatcher, message: Candidate): Promise<number> {
  return matcher.score === undefined ? SCORE_MAX : matcher.score(message)
}

/**
 * The positions that a set of numbers names, first and last of each range. A number that no message has names none: SEARCH looks for
 * what is there, FETCH would be wrong.
 */
export function positionsOf(
  { kind, set }: Extract<SearchKey, { kind: 'sequence' | 'uid' }>,
  mailbox: SelectedMailbox,
): Ranges {
  const ranges =
    set.saved || kind === 'uid'
      ? mailbox.resolve(set, 'uid')
      : set.resolve(mailbox.exists).map(({ from, to }) => ({ from: from - 1, to: Math.min(to, mailbox.exists) }))
  return ranges.filter(({ from, to }) => from < to).map(({ from, to }) => ({ from, to: to - 1 }))
}

function onFacts(matches: (message: Candidate) => boolean): KeyMatcher {
  return { cost: 0, quick: matches, slow: async (message) => matches(message) }
}

function onHeader(matches: (headers: Headers | null, facts: MessageFacts) => boolean): KeyMatcher {
  return {
    cost: 1,
    quick: (message) => {
      const known = message.knownHeaders()
      return known === undefined ? null : matches(known, message.facts)
    },
    slow: async (message) => matches(await message.headers(), message.facts),
  }
}

function onBytes(may: (message: Candidate) => boolean, matches: (message: Candidate) => Promise<boolean>): KeyMatcher {
  return { cost: 2, quick: (message) => (may(message) ? null : false), slow: matches }
}

/** All of `parts` (`any` false), or one of them (`any` true). */
function combine(parts: readonly KeyMatcher[], any: boolean): KeyMatcher {
  const ordered = parts.toSorted((a, b) => a.cost - b.cost)
  return {
    cost: ordered.at(-1)?.cost ?? 0,
    quick(message) {
      let unknown = false
      for (const part of ordered) {
        const matches = part.quick(message)
        if (matches === any) return any
        if (matches === null) unknown = true
      }
      return unknown ? null : !any
    },
    async slow(message) {
      for (const part of ordered) {
        const matches = part.quick(message) ?? (await part.slow(message))
        if (matches === any) return any
      }
      return !any
    },
    // RFC 6203 section 4 leaves it open: as good as the weakest of what must all match, as the best of what may.
    async score(message) {
      const scores: number[] = []
      for (const part of ordered) if (!any || (await matches(part, message))) scores.push(await scoreOf(part, message))
      return any ? Math.max(...scores) : Math.min(...scores)
    },
  }
}

function related(day: Day, relation: DateRelation, wanted: Day): boolean {
  switch (relation) {
    case 'before':
      return day < wanted
    case 'on':
      return day === wanted
    case 'since':
      return day >= wanted
    default:
      return relation satisfies never
  }
}
