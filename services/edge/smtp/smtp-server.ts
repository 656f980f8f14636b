/** One mail listener: accepts clients while there may be more, and lets them go at the end. */
import { createServer, type Server, type Socket } from 'node:net'
import type { ProxiedClients } from '../policy/proxied-clients.ts'
import { REPLIES } from './replies.ts'
import { SmtpConnection } from './smtp-connection.ts'
import type { Peer, SmtpListener, SmtpService } from './smtp-service.ts'

export class SmtpServer {
  /** Not listening yet. */
  readonly server: Server
  readonly #service: SmtpService
  readonly #listener: SmtpListener
  readonly #clients: Pick<ProxiedClients, 'take'>
  readonly #connections = new Set<SmtpConnection>()
  #stopping = false

  constructor(service: SmtpService, listener: SmtpListener, clients: Pick<ProxiedClients, 'take'>) {
    this.#clients = clients
    this.#service = service
    this.#listener = listener
    // Half-open: a client may end its side behind its last command and still read the replies.
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  /** Takes no more clients; those without a letter in flight are told to go now, the others after it. */
  stop(onEmpty: () => void): void {
    this.#stopping = true
    this.server.close(onEmpty)
    for (const connection of this.#connections) connection.stop()
  }

  /** Ends what is left. */
  destroy(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  #accept(socket: Socket): void {
    this.#clients.take(socket, ({ address }) => this.#admit(socket, address))
  }

  #admit(socket: Socket, address: string): void {
    const peer = this.#service.enter(this.#listener, address)
    if (peer === null) {
      this.#refuse(socket, address)
      return
    }
    const connection = new SmtpConnection(this.#service, this.#listener, socket, peer, () => {
      this.#connections.delete(connection)
      this.#service.leave(this.#listener, peer)
    })
    this.#connections.add(connection)
    connection.begin()
    if (this.#stopping) connection.stop()
  }

  /** One of too many: it is not counted. */
  #refuse(socket: Socket, address: string): void {
    const peer: Peer = this.#service.stranger(this.#listener, address)
    const connection = new SmtpConnection(this.#service, this.#listener, socket, peer, () => {})
    connection.refuse(REPLIES.tooManyConnections)
  }
}
