/**
 * Certificates of a local array in a folder that only its owner reads: the authority (its key never leaves the folder) and
 * one pair per name. What still serves is used again; what does not is replaced, and the reason is logged.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Random } from '#lib/ports/random.ts'
import { createAuthority, issueLeaf, type KeyPair, type LeafRequest, whyRenew } from './certificates.ts'

export interface CertificateStore {
  /** PEM of the authority's certificate. */
  readonly ca: string
  /** The pair called `name`, made anew if there is none or the present one does not serve. */
  pair(name: string, request: LeafRequest): Promise<KeyPair>
}

/** How long a pair that was looked at is taken to serve: asking again is then free. */
const CHECK_EVERY_MS = 3_600_000

/** @param write Writes a file whole, readable by its owner only. */
export async function openCertificateStore(options: {
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly write: (path: string, text: string) => void
}): Promise<CertificateStore> {
  const { folder, clock, random, logger, write } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const read = (name: string): KeyPair | null => {
    const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
    return existsSync(cert) && existsSync(key)
      ? { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
      : null
  }
  const keep = (name: string, pair: KeyPair) => {
    write(join(folder, `${name}.key`), pair.key)
    write(join(folder, `${name}.crt`), pair.cert)
    return pair
  }
  const authority = read('ca') ?? keep('ca', await createAuthority('Twinpost local CA', clock.nowMs(), random))
  const checked = new Map<string, { readonly names: string; readonly pair: KeyPair; readonly atMs: number }>()
  const fresh = async (name: string, request: LeafRequest): Promise<KeyPair> => {
    const present = read(name)
    const reason = present ? whyRenew(present.cert, authority.cert, request, clock.nowMs()) : 'there was none'
    if (present && reason === null) return present
    if (present) logger.info({ certificate: name, reason }, 'renewing a certificate')
    return keep(name, await issueLeaf(authority, request, clock.nowMs(), random))
  }
  return {
    ca: authority.cert,
    async pair(name, request) {
      const known = checked.get(name)
      const names = JSON.stringify(request)
      if (known?.names === names && clock.nowMs() - known.atMs < CHECK_EVERY_MS) return known.pair
      const pair = await fresh(name, request)
      checked.set(name, { names, pair, atMs: clock.nowMs() })
      return pair
    },
  }
}
