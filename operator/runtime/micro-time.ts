/** Times of Leases and Events: RFC 3339 with exactly six digits of a second; the API server refuses any other number of them. */
export function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/\.(\d{3})Z$/, '.$1000Z')
}

/** Milliseconds since the epoch, or null for what is no time. */
export function parseMicroTime(text: unknown): number | null {
  if (typeof text !== 'string') return null
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? null : atMs
}
