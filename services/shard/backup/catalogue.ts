/**
 * What an archive holds of one shard, read off the names of its objects, and what follows from that. Pure.
 *
 *     n1-0 / <begun, ms>-<tag of the log> / <first LSN>-<last LSN>-<newest, ms>-<chain>.piece
 *                                         / base-<LSN>-<at, ms>
 *
 * A **generation** is the log from LSN 1 on as it stood when the generation was begun, and all that was committed since. `base` says
 * that the first part is complete: from there on it can be restored to any point in time, but not to one before, since what compaction
 * had dropped by then is not in it. That is what older generations are kept for.
 */

export interface Piece {
  readonly name: string
  readonly first: number
  readonly last: number
  /** Wall time of its newest record. */
  readonly newestMs: number
  /** The first bytes of the chain value of its last record, in hex. */
  readonly chain: string
}

export interface Generation {
  readonly name: string
  readonly begunMs: number
  /** Of the log, in hex. */
  readonly tag: string
  readonly pieces: readonly Piece[]
  readonly base: { readonly lsn: number; readonly atMs: number } | null
}

/** What of a generation hangs together from LSN 1 on. */
export interface Reach {
  readonly pieces: readonly Piece[]
  /** 0: nothing. */
  readonly lastLsn: number
  readonly newestMs: number
}

const LSN_DIGITS = 16
const MS_DIGITS = 13
export const CHAIN_DIGITS = 16

export const shardFolder = (shard: string): string => shard.replace('/', '-')

export const generationName = (begunMs: number, tag: string): string => `${digits(begunMs, MS_DIGITS)}-${tag}`

export function pieceName({ first, last, newestMs, chain }: Omit<Piece, 'name'>): string {
  return `${digits(first, LSN_DIGITS)}-${digits(last, LSN_DIGITS)}-${digits(newestMs, MS_DIGITS)}-${chain}.piece`
}

export const baseName = (lsn: number, atMs: number): string =>
  `base-${digits(lsn, LSN_DIGITS)}-${digits(atMs, MS_DIGITS)}`

export const isBase = (object: string): boolean => object.startsWith('base-')

/** Null: the folder is none of ours. @param objects Names in it; what is not known among them is passed over */
export function readGeneration(name: string, objects: readonly string[]): Generation | null {
  const [, begun, tag] = /^(\d{13})-([0-9a-f]{16})$/.exec(name) ?? []
  if (begun === undefined || tag === undefined) return null
  const pieces = objects.flatMap((object): Piece[] => {
    const [, first, last, newest, chain] = /^(\d{16})-(\d{16})-(\d{13})-([0-9a-f]{16})\.piece$/.exec(object) ?? []
    if (chain === undefined) return []
    return [{ name: object, first: Number(first), last: Number(last), newestMs: Number(newest), chain }]
  })
  const bases = objects.flatMap((object) => {
    const [, lsn, at] = /^base-(\d{16})-(\d{13})$/.exec(object) ?? []
    return at === undefined ? [] : [{ lsn: Number(lsn), atMs: Number(at) }]
  })
  const base = bases.sort((a, b) => a.atMs - b.atMs)[0] ?? null
  return {
    name,
    begunMs: Number(begun),
    tag,
    pieces: pieces.sort((a, b) => a.first - b.first || b.last - a.last),
    base,
  }
}

/** Two primaries, one after the other, may have written pieces that overlap: each time the one that goes farthest is taken. */
export function reachOf({ pieces }: Generation): Reach {
  const chosen: Piece[] = []
  let lastLsn = 0
  for (;;) {
    let best: Piece | null = null
    for (const piece of pieces) {
      if (piece.first > lastLsn + 1) break
      if (piece.last > (best?.last ?? lastLsn)) best = piece
    }
    if (best === null) return { pieces: chosen, lastLsn, newestMs: chosen.at(-1)?.newestMs ?? 0 }
    chosen.push(best)
    lastLsn = best.last
  }
}

/** Whether a generation holds the whole log, at least as of some time. */
export function isComplete(generation: Generation): boolean {
  return generation.base !== null && reachOf(generation).lastLsn >= generation.base.lsn
}

/**
 * The one to restore from. @param untilMs A point in time; null: as new as can be. Null: none of them can tell how it was then
 */
export function generationFor(generations: readonly Generation[], untilMs: number | null): Generation | null {
  const complete = generations.filter(isComplete)
  const able = untilMs === null ? complete : complete.filter(({ base }) => (base?.atMs ?? Infinity) <= untilMs)
  return able.sort((a, b) => (a.base?.atMs ?? 0) - (b.base?.atMs ?? 0)).at(-1) ?? null
}

/**
 * Generations that nobody needs: a newer one is complete for longer than old states are kept. Those begun and given up go as well.
 * @param inUse Names of those that are being written. @param keepMs How far back anybody may want to go
 */
export function superfluous(
  generations: readonly Generation[],
  inUse: ReadonlySet<string>,
  keepMs: number,
  nowMs: number,
): Generation[] {
  const complete = generations.filter(isComplete)
  return generations.filter((generation) => {
    if (inUse.has(generation.name)) return false
    const covered = complete.some(
      ({ name, begunMs, base }) =>
        name !== generation.name && begunMs > generation.begunMs && (base?.atMs ?? Infinity) <= nowMs - keepMs,
    )
    // One that was never completed restores nothing as soon as another one is there for the same time.
    const givenUp = !isComplete(generation) && complete.some(({ begunMs }) => begunMs > generation.begunMs)
    return covered || givenUp
  })
}

const digits = (value: number, length: number): string => String(value).padStart(length, '0')
