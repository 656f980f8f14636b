/** TXT records by the resolver of this machine or pod. */
import { Resolver } from 'node:dns/promises'

const ANSWER = { timeout: 3_000, tries: 2 }
const ABSENT: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA'])

/** @returns The texts, each put together from its pieces (RFC 1035 section 3.3.14); none if the name has none. */
export function createTxtLookup(): (name: string) => Promise<readonly string[]> {
  const resolver = new Resolver(ANSWER)
  return async (name) => {
    try {
      return (await resolver.resolveTxt(name)).map((pieces) => pieces.join(''))
    } catch (error) {
      if (error instanceof Error && 'code' in error && ABSENT.has(error.code)) return []
      throw error
    }
  }
}
