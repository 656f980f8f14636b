/** Searches below one unit, page by page (RFC 2696), so that a directory of a million entries is never in memory at once. */
import { ResultCodeError } from 'ldapts'
import type { RawEntry } from './entry.ts'
import { DirectoryError } from './errors.ts'
import { PAGE_ENTRIES } from './limits.ts'
import type { LdapPool } from './pool.ts'
import { type Unit, unitDn } from './schema.ts'

export interface Listing {
  readonly unit: Unit
  readonly filter: string
  readonly attributes: readonly string[]
}

/** The first `limit` entries; asked again on another connection if the first is lost. */
export async function findEntries(pool: LdapPool, listing: Listing, limit: number): Promise<RawEntry[]> {
  return await pool.read(async (client) => {
    const entries: RawEntry[] = []
    for await (const page of client.searchPaginated(...searchOf(pool, listing, Math.min(PAGE_ENTRIES, limit)))) {
      entries.push(...page.searchEntries)
      if (entries.length >= limit) break
    }
    return entries.length > limit ? entries.slice(0, limit) : entries
  })
}

/**
 * Every entry, a page at a time; the next page is asked for when `take` is done with the last one. A lost connection ends
 * it: where a listing stood only its connection knows.
 * @param take Returns false to hear no more.
 */
export async function eachPage(
  pool: LdapPool,
  listing: Listing,
  take: (entries: readonly RawEntry[]) => Promise<boolean> | boolean,
): Promise<void> {
  try {
    await pool.write(async (client) => {
      for await (const page of client.searchPaginated(...searchOf(pool, listing, PAGE_ENTRIES))) {
        if (!(await take(page.searchEntries))) return
      }
    })
  } catch (error) {
    if (!(error instanceof ResultCodeError)) throw error
    throw new DirectoryError('DIRECTORY_REFUSED', `Cannot list the directory: ${error.message}`, { cause: error })
  }
}

function searchOf(pool: LdapPool, { unit, filter, attributes }: Listing, pageSize: number) {
  const options = { scope: 'one' as const, filter, attributes: [...attributes], paged: { pageSize } }
  return [unitDn(unit, pool.baseDn), options] as const
}
