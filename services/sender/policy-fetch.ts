/**
 * Fetches one MTA-STS policy over HTTPS (RFC 8461 section 3.3): the certificate must be good for the name, nothing else than 200 counts, nobody
 * is followed elsewhere, and neither time nor size is the server's to choose.
 */
import { request } from 'node:https'
import { isIPv6 } from 'node:net'
import { hostAddresses } from '#lib/dns/mail-hosts.ts'
import type { DnsResolver } from '#lib/dns/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { STS_FETCH_MS, STS_POLICY_BYTES_MAX } from './limits.ts'

export interface PolicyFetchOptions {
  /** The same that finds mail servers. */
  readonly resolver: DnsResolver
  readonly clock: Clock
  readonly port: number
  /** Authorities that are believed, as PEM; null: those that Node knows. */
  readonly ca: string | null
}

export function createPolicyFetch({
  resolver,
  clock,
  port,
  ca,
}: PolicyFetchOptions): (host: string) => Promise<string> {
  return async (host) => {
    const [address] = await hostAddresses(resolver, host)
    if (address === undefined) throw new Error(`${host} has no address`)
    return await new Promise((resolve, reject) => {
      const sent = request(
        {
          host,
          port,
          path: '/.well-known/mta-sts.txt',
          servername: host,
          agent: false,
          lookup: (_name, options, done) => {
            const family = isIPv6(address) ? 6 : 4
            if (options.all === true) done(null, [{ address, family }])
            else done(null, address, family)
          },
          headers: { accept: 'text/plain' },
          ...(ca === null ? {} : { ca }),
        },
        (response) => {
          const type = response.headers['content-type'] ?? ''
          if (response.statusCode !== 200) fail(`${host} answered with status ${response.statusCode}`)
          else if (!/^text\/plain\s*(?:;|$)/i.test(type))
            fail(`${host} answered with ${type || 'no type'} and not with text`)
          else {
            const pieces: Buffer[] = []
            let bytes = 0
            response.on('data', (piece: Buffer) => {
              bytes += piece.length
              if (bytes > STS_POLICY_BYTES_MAX) fail(`the policy is longer than ${STS_POLICY_BYTES_MAX} bytes`)
              else pieces.push(piece)
            })
            response.on('error', (error) => fail(error.message))
            response.on('end', () => {
              cancel()
              resolve(Buffer.concat(pieces).toString('utf8'))
            })
          }
        },
      )
      const fail = (reason: string) => {
        cancel()
        sent.destroy()
        reject(new Error(reason))
      }
      const cancel = clock.after(STS_FETCH_MS, () => fail(`no answer of ${host} in ${STS_FETCH_MS / 1_000} s`))
      sent.on('error', (error) => fail(error.message))
      sent.end()
    })
  }
}
