/**
 * What was learned, in three scopes: one user's, one domain's, everybody's. Each letter is learned in all three; a verdict comes from the
 * nearest one that knows enough, so that what is junk to one stays a letter to another.
 */
import { createHash } from 'node:crypto'
import { WeightedLru } from '#lib/cache/weighted-lru.ts'
import { junkProbability, type SignCounts } from './classify.ts'
import { CountTable } from './table.ts'

export type LetterKind = 'junk' | 'other'

export interface Verdict {
  /** 0: as other letters are; 1: junk. */
  readonly probability: number
  /** Whose experience it is: `user`, `domain`, `all`. */
  readonly scope: 'user' | 'domain' | 'all'
}

interface Totals {
  junk: number
  other: number
}

/** Letters of each kind that a scope must have learned before it speaks: fewer say more about chance than about mail. */
export const ENOUGH = { user: 20, domain: 50, all: 100 } as const
/** Letters remembered by digest, so that none is learned twice and one can be unlearned. */
const LETTERS_REMEMBERED = 200_000
const SCOPES_MAX = 1_000_000
const MAGIC = 'twinpost-bayes-1'

export class BayesMemory {
  readonly #table: CountTable
  readonly #totals = new Map<string, Totals>()
  readonly #letters = new WeightedLru<string, LetterKind>(LETTERS_REMEMBERED)
  #changes = 0

  constructor(sizeLog2: number) {
    this.#table = new CountTable(sizeLog2)
  }

  /** Grows with each letter learned: whether a snapshot is due. */
  get changes(): number {
    return this.#changes
  }

  /** Letters learned in a scope. @param scope '' for everybody's, a domain, an address */
  learned(scope: string): { readonly junk: number; readonly other: number } {
    return this.#totals.get(scope) ?? { junk: 0, other: 0 }
  }

  get signs(): number {
    return this.#table.used
  }

  /**
   * @param digest Of the letter, the same however often it comes.
   * @param address Whose it is, in lower case.
   * @returns false: it was learned so before.
   */
  learn(tokens: ReadonlySet<string>, kind: LetterKind, digest: string, address: string): boolean {
    const key = `${digest} ${address}`
    const before = this.#letters.get(key)
    if (before === kind) return false
    for (const scope of scopesOf(address)) {
      if (before !== undefined) this.#count(tokens, scope, before, -1)
      this.#count(tokens, scope, kind, 1)
    }
    this.#letters.set(key, kind, 1)
    this.#changes++
    return true
  }

  /** @param recipients Addresses in lower case. Null: nothing is known that would speak of this letter. */
  judge(tokens: ReadonlySet<string>, recipients: readonly string[]): Verdict | null {
    const domains = new Set(recipients.map(domainOf))
    const [address] = recipients
    const [domain] = domains
    const candidates: [scope: string, name: Verdict['scope']][] = []
    if (recipients.length === 1 && address !== undefined) candidates.push([address, 'user'])
    if (domains.size === 1 && domain !== undefined) candidates.push([domain, 'domain'])
    candidates.push(['', 'all'])
    for (const [scope, name] of candidates) {
      const totals = this.learned(scope)
      if (totals.junk < ENOUGH[name] || totals.other < ENOUGH[name]) continue
      const seed = seedOf(scope)
      const signs: SignCounts[] = []
      for (const token of tokens) {
        const counts = this.#table.get(hashHigh(token, seed), hashLow(token, seed))
        if (counts !== 0) signs.push({ junk: counts >>> 16, other: counts & 0xffff })
      }
      return { probability: junkProbability(signs, totals), scope: name }
    }
    return null
  }

  snapshot(): Buffer {
    const head = JSON.stringify({ magic: MAGIC, totals: [...this.#totals] })
    const length = Buffer.alloc(4)
    length.writeUInt32LE(Buffer.byteLength(head))
    const table = this.#table.dump()
    return Buffer.concat([length, Buffer.from(head), Buffer.from(table.buffer, table.byteOffset, table.byteLength)])
  }

  /** @returns false: it is no snapshot of this version, and nothing was changed. */
  restore(snapshot: Buffer): boolean {
    const length = snapshot.length >= 4 ? snapshot.readUInt32LE() : Number.POSITIVE_INFINITY
    if (4 + length > snapshot.length || (snapshot.length - 4 - length) % 12 !== 0) return false
    const totals = totalsOf(snapshot.subarray(4, 4 + length).toString())
    if (totals === null) return false
    const rows = new Uint8Array(snapshot.subarray(4 + length)) // a copy: aligned
    this.#table.load(new Uint32Array(rows.buffer, 0, rows.byteLength / 4))
    this.#totals.clear()
    for (const [scope, junk, other] of totals) this.#totals.set(scope, { junk, other })
    return true
  }

  #count(tokens: ReadonlySet<string>, scope: string, kind: LetterKind, by: 1 | -1): void {
    const totals = this.#totals.get(scope) ?? { junk: 0, other: 0 }
    if (!this.#totals.has(scope)) {
      if (this.#totals.size >= SCOPES_MAX) return
      this.#totals.set(scope, totals)
    }
    totals[kind] = Math.max(0, totals[kind] + by)
    const seed = seedOf(scope)
    for (const token of tokens) {
      const halved = this.#table.add(hashHigh(token, seed), hashLow(token, seed), kind === 'junk', by)
      if (halved) for (const each of this.#totals.values()) halve(each)
    }
  }
}

/** Letters in halved counts: never less than what keeps a share below one. */
function halve(totals: Totals): void {
  totals.junk = Math.ceil(totals.junk / 2)
  totals.other = Math.ceil(totals.other / 2)
}

function scopesOf(address: string): string[] {
  return address === '' ? [''] : [address, domainOf(address), '']
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}

function totalsOf(text: string): [scope: string, junk: number, other: number][] | null {
  try {
    const { magic, totals } = JSON.parse(text)
    if (magic !== MAGIC || !Array.isArray(totals)) return null
    return totals.map(([scope, { junk, other }]) => [String(scope), Number(junk) || 0, Number(other) || 0])
  } catch {
    return null // cut off, or of another program
  }
}

const seeds = new WeightedLru<string, number>(50_000)

/** 32 bits that stand for a scope. */
function seedOf(scope: string): number {
  const known = seeds.get(scope)
  if (known !== undefined) return known
  const seed = createHash('sha256').update(scope).digest().readUInt32LE()
  seeds.set(scope, seed, 1)
  return seed
}

/** FNV-1a over UTF-16 units, from two beginnings: together 64 bits. */
function hashLow(token: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed
  for (let i = 0; i < token.length; i++) hash = Math.imul(hash ^ token.charCodeAt(i), 0x01000193)
  return mixed(hash) || 1 // 0 is an empty place
}

function hashHigh(token: string, seed: number): number {
  let hash = 0xc2b2ae35 ^ Math.imul(seed, 0x9e3779b1)
  for (let i = token.length - 1; i >= 0; i--) hash = Math.imul(hash ^ token.charCodeAt(i), 0x85ebca6b) ^ (hash >>> 13)
  return mixed(hash)
}

function mixed(hash: number): number {
  let value = hash ^ (hash >>> 16)
  value = Math.imul(value, 0x7feb352d)
  value ^= value >>> 15
  value = Math.imul(value, 0x846ca68b)
  return (value ^ (value >>> 16)) >>> 0
}
