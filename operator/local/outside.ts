/**
 * The world outside of an array on one machine: one domain, whose mail server is on a loopback address of the array's network. Nothing
 * that users of a local array write leaves the machine; whoever listens there (`make up`, a test) gets it.
 */
import { OUTSIDE_DOMAIN } from '#operator/api/local-layout.ts'
import { outsideAddress } from '#operator/cluster/local/addresses.ts'

export const OUTSIDE_PORT = 2525

/** What DNS would say, for senders (`lib/dns/zone-file.ts`). */
export function outsideZone(network: number): string {
  return [
    '; Written by the operator: what senders of this array know of the world outside.',
    `${OUTSIDE_DOMAIN}. IN MX 10 mx.${OUTSIDE_DOMAIN}.`,
    `mx.${OUTSIDE_DOMAIN}. IN A ${outsideAddress(network)}`,
    '',
  ].join('\n')
}
