/**
 * Which 127.X.*.* this array has. The claim is a listening socket on 127.X.0.2: whoever holds it has the network, and the
 * system gives it up with the process. The last network is tried first, so that addresses stay the same.
 */
import { createServer, type Server } from 'node:net'
import { networkCandidates, operatorAddress, serviceAddress } from './addresses.ts'
import { LocalClusterError } from './container-plan.ts'

const CLAIM_PORT = 7099
/** Ports that the edges will want on the shared address: taken by a stranger, the network is of no use. */
const PROBED_PORTS: readonly number[] = [2525, 2143]

export interface NetworkClaim {
  readonly network: number
  release(): void
}

/**
 * @param last The network of the last start, or null. @param seed Where to begin looking otherwise.
 * @throws {LocalClusterError} LOCAL_NO_NETWORK if none is free
 */
export async function claimNetwork(last: number | null, seed: string): Promise<NetworkClaim> {
  for (const network of last === null ? networkCandidates(seed) : [last, ...networkCandidates(seed)]) {
    const claim = await listen(operatorAddress(network), CLAIM_PORT)
    if (!claim) continue
    if (await free(serviceAddress(network))) return { network, release: () => claim.close() }
    claim.close()
  }
  throw new LocalClusterError(
    'LOCAL_NO_NETWORK',
    `Cannot find free loopback addresses: a program listens on port ${PROBED_PORTS.join(' or ')} of all of them (0.0.0.0)`,
  )
}

async function free(address: string): Promise<boolean> {
  for (const port of PROBED_PORTS) {
    const server = await listen(address, port)
    if (!server) return false
    await new Promise((resolve) => server.close(resolve))
  }
  return true
}

function listen(host: string, port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', () => resolve(null))
    server.listen({ host, port }, () => resolve(server))
  })
}
