/**
 * Whose connection it is: the peer's, or, where the peer is a proxy that was named in the settings, that of the client which its header tells.
 * From a proxy's network a header must come first; from anywhere else it is just what the client says.
 */
import type { Socket } from 'node:net'
import { isIPv6 } from 'node:net'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { networks } from './client-policy.ts'
import { type ProxiedClient, parseProxyHeader } from './proxy-header.ts'

const IPV4_MAPPED = /^::ffff:(?=\d+\.)/i
/** A proxy says it at once. */
const HEADER_MS = 5_000

export class ProxiedClients {
  readonly #proxies: ReturnType<typeof networks>
  readonly #clock: Clock
  readonly #logger: Logger

  /** @param proxies Networks, as `192.0.2.0/24`. */
  constructor(proxies: readonly string[], clock: Clock, logger: Logger) {
    this.#proxies = networks(proxies)
    this.#clock = clock
    this.#logger = logger
  }

  /**
   * @param socket Just accepted. @param then Called at once, or when a proxy has said who it is; never, if it says nothing that is a header: then
   *   the socket is destroyed.
   */
  take(socket: Socket, then: (client: ProxiedClient) => void): void {
    const address = socket.remoteAddress?.replace(IPV4_MAPPED, '')
    if (address === undefined) {
      socket.destroy() // gone already
      return
    }
    const peer = { address, port: socket.remotePort ?? 0 }
    if (!this.#proxies.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) then(peer)
    else this.#readHeader(socket, peer, then)
  }

  #readHeader(socket: Socket, peer: ProxiedClient, then: (client: ProxiedClient) => void): void {
    let seen = Buffer.alloc(0)
    const read = () => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
        seen = Buffer.concat([seen, chunk])
      }
      const header = parseProxyHeader(seen)
      if (header.kind === 'more' && !socket.readableEnded) return
      done()
      if (header.kind !== 'header') {
        fail()
        return
      }
      const rest = seen.subarray(header.bytes)
      if (rest.length > 0) socket.unshift(rest)
      then(header.client ?? peer)
    }
    const fail = () => {
      done()
      this.#logger.warn({ address: peer.address }, 'a proxy did not say whose connection it is')
      socket.destroy()
    }
    const done = () => {
      cancel()
      socket.off('readable', read)
      socket.off('end', fail)
      socket.off('error', fail)
    }
    const cancel = this.#clock.after(HEADER_MS, fail)
    socket.on('readable', read)
    socket.on('end', fail)
    socket.on('error', fail)
  }
}
