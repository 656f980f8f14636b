/** A wire between a client and a server that a test can cut, hang, or make lose what the server answers. TLS passes through it. */
import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** `pass`; `deaf`: what the server says gets lost; `hang`: nothing goes either way; `refuse`: connections end at once. */
  mode: 'pass' | 'deaf' | 'hang' | 'refuse'
  /** Connections that were made so far. */
  readonly connections: number
  /** Resets all connections; new ones are taken. */
  cut(): void
  close(): Promise<void>
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const state = { mode: 'pass' as TcpProxy['mode'], connections: 0 }
  const server = createServer((client) => {
    state.connections++
    if (state.mode === 'refuse') {
      client.resetAndDestroy()
      return
    }
    const upstream = connect(targetPort, '127.0.0.1')
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (bytes) => (state.mode === 'pass' || state.mode === 'deaf') && upstream.write(bytes))
    upstream.on('data', (bytes) => state.mode === 'pass' && client.write(bytes))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get mode() {
      return state.mode
    },
    set mode(mode) {
      state.mode = mode
    },
    get connections() {
      return state.connections
    },
    cut,
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
