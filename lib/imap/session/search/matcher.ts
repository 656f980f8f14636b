/**
 * Search keys made ready for one mailbox. Facts are asked first, then the header, then the body: `quick` decides on facts alone
 * or says null, and only then `slow` reads. Of several keys that must all match the cheap ones go first.
 */
import { decodeWords, type Headers, parseDate } from '#lib/mime/mod.ts'
import { type Day, dayOf } from '../../syntax/dates.ts'
import type { DateRelation, SearchKey } from '../../syntax/search-keys.ts'
import { contains } from '../../syntax/sequence-set.ts'
import type { SelectedMailbox } from '../selected-mailbox.ts'
import type { Candidate } from './candidate.ts'
import { fold } from './fold.ts'

/** Facts at no cost, the header by one read, the body by a scan. */
type Cost = 0 | 1 | 2

interface KeyMatcher {
  readonly cost: Cost
  quick(message: Candidate): boolean | null
  slow(message: Candidate): Promise<boolean>
}

export interface Matcher {
  quick(message: Candidate): boolean | null
  slow(message: Candidate): Promise<boolean>
  /** Folded texts of all BODY and TEXT keys. */
  readonly texts: ReadonlySet<string>
}

export function compile(key: SearchKey, mailbox: SelectedMailbox): Matcher {
  const texts = new Set<string>()
  const matcher = compileKey(key, mailbox, texts)
  return { quick: (message) => matcher.quick(message), slow: (message) => matcher.slow(message), texts }
}

function compileKey(key: SearchKey, mailbox: SelectedMailbox, texts: Set<string>): KeyMatcher {
  switch (key.kind) {
    case 'all':
      return onFacts(() => true)
    case 'recent':
      return onFacts((message) => message.recent)
    case 'and':
      return combine(
        key.keys.map((part) => compileKey(part, mailbox, texts)),
        false,
      )
    case 'or':
      return combine(
        key.keys.map((part) => compileKey(part, mailbox, texts)),
        true,
      )
    case 'not': {
      const inner = compileKey(key.key, mailbox, texts)
      return {
        cost: inner.cost,
        quick: (message) => {
          const matches = inner.quick(message)
          return matches === null ? null : !matches
        },
        slow: async (message) => !(await inner.slow(message)),
      }
    }
    case 'sequence': {
      const ranges = key.set.resolve(mailbox.exists)
      return onFacts((message) => contains(ranges, message.sequence))
    }
    case 'uid': {
      const ranges = key.set.resolve(mailbox.exists === 0 ? 0 : mailbox.uidAt(mailbox.exists - 1))
      return onFacts((message) => contains(ranges, message.facts.uid))
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
    case 'sent-date':
      return onHeader((headers) => {
        const date = parseDate(headers?.first('date') ?? '')
        // The day that the sender's calendar showed (RFC 9051 section 6.4.4: "disregarding time and timezone").
        return date !== null && related(dayOf(date.ms + date.zoneMinutes * 60_000), key.relation, key.day)
      })
    case 'header': {
      const wanted = fold(key.text)
      return onHeader((headers) => {
        const values = headers?.all(key.field) ?? []
        return values.some((value) => wanted === '' || fold(decodeWords(value)).includes(wanted))
      })
    }
    case 'body': {
      const wanted = fold(key.text)
      texts.add(wanted)
      return onBytes(2, (message) => message.bodyHas(wanted))
    }
    case 'text': {
      const wanted = fold(key.text)
      texts.add(wanted)
      return onBytes(2, async (message) => (await message.headerHas(wanted)) || (await message.bodyHas(wanted)))
    }
    default:
      return key satisfies never
  }
}

function onFacts(matches: (message: Candidate) => boolean): KeyMatcher {
  return { cost: 0, quick: matches, slow: async (message) => matches(message) }
}

function onHeader(matches: (headers: Headers | null) => boolean): KeyMatcher {
  return {
    cost: 1,
    quick: (message) => {
      const known = message.knownHeaders()
      return known === undefined ? null : matches(known)
    },
    slow: async (message) => matches(await message.headers()),
  }
}

function onBytes(cost: Cost, matches: (message: Candidate) => Promise<boolean>): KeyMatcher {
  return { cost, quick: () => null, slow: matches }
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
