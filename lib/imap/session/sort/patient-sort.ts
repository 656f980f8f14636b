/** A sort that gives others a turn: the comparisons of a million messages take seconds. */

/** Sorted by the engine at once: a millisecond or two. */
const RUN = 1024
/** Items merged before others get a turn. */
const MERGE_TURN = 8192

/** Stable. @returns A new array. */
export async function patientSort<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  pause: () => Promise<void>,
): Promise<T[]> {
  let runs: T[][] = []
  for (let from = 0; from < items.length; from += RUN) {
    runs.push(items.slice(from, from + RUN).sort(compare))
    if (runs.length % 4 === 0) await pause()
  }
  while (runs.length > 1) {
    const merged: T[][] = []
    for (let i = 0; i < runs.length; i += 2) {
      const [a, b] = [runs[i] ?? [], runs[i + 1]]
      merged.push(b === undefined ? a : await merge(a, b, compare, pause))
    }
    runs = merged
  }
  return runs[0] ?? []
}

async function merge<T>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number,
  pause: () => Promise<void>,
): Promise<T[]> {
  const merged: T[] = []
  let [i, j] = [0, 0]
  while (i < a.length && j < b.length) {
    const [x, y] = [a[i] as T, b[j] as T]
    if (compare(x, y) <= 0) {
      merged.push(x)
      i++
    } else {
      merged.push(y)
      j++
    }
    if (merged.length % MERGE_TURN === 0) await pause()
  }
  while (i < a.length) merged.push(a[i++] as T)
  while (j < b.length) merged.push(b[j++] as T)
  return merged
}
