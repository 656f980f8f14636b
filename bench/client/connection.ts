/** A socket that either carries bytes or has failed once and for all; both clients stand on it. */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import type { Endpoint } from '../target.ts'

/** Longest silence of a server under load before the measurement is given up. */
const SILENCE_MS = 60_000

/** One context for all connections of a measurement: reading the CA again for each would be paid by the measured second. */
export function secureContext(ca: Buffer | null): SecureContext {
  return createSecureContext(ca === null ? {} : { ca })
}

export interface Opening {
  readonly endpoint: Endpoint
  /** Null: no TLS. */
  readonly context: SecureContext | null
  /** Source address; servers limit connections per address, and a bench stands for many clients. */
  readonly localAddress?: string | undefined
  readonly onData: (chunk: Buffer) => void
  /** Called with the first thing that went wrong, and again when the socket closes. */
  readonly onEnd: (error: Error) => void
}

/** Connects; what is written before the connection stands is sent then. */
export function open({ endpoint, context, localAddress, onData, onEnd }: Opening): Socket {
  const address = localAddress === undefined ? endpoint : { ...endpoint, localAddress }
  const socket =
    context === null
      ? connectTcp(address)
      : connectTls({
          ...address,
          secureContext: context,
          servername: 'localhost',
          checkServerIdentity: () => undefined,
        })
  const where = `${endpoint.host}:${endpoint.port}`
  socket.setNoDelay(true)
  socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error(`${where} said nothing for ${SILENCE_MS} ms`)))
  socket.on('data', onData)
  socket.once('error', onEnd)
  socket.once('close', () => onEnd(new Error(`${where} closed the connection`)))
  return socket
}

/** The `index`-th of many source addresses, where the server is on the loopback network (all of 127/8 is ours on Linux). */
export function manyAddresses(endpoint: Endpoint, index: number): string | undefined {
  return endpoint.host.startsWith('127.') ? `127.0.9.${1 + (index % 100)}` : undefined
}
