/**
 * Carries out work on each item of a stream, several at once, and reads no farther than that: memory is what is in work.
 * A failure ends it when all that was begun is done.
 */
export async function inTurns<T>(
  items: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const busy = new Set<Promise<void>>()
  const failures: unknown[] = []
  for await (const item of items) {
    const own = work(item)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => busy.delete(own))
    busy.add(own)
    if (busy.size >= atOnce) await Promise.race(busy)
    if (failures.length > 0) break
  }
  await Promise.all(busy)
  if (failures.length > 0) throw failures[0]
}
