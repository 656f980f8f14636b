/**
 * LDAP at the border of the embedded directory, on ldapjs (no longer maintained upstream: nothing else may import it). Turns
 * requests into calls of `store.ts` and faults into result codes, and decides who may read and write what (`ACCESS`).
 */
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import ldapjs from 'ldapjs'
import { known } from '#lib/errors/assert.ts'
import { ACCESS, type AttributeType, type Service } from '#lib/ldap/schema.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { authenticate, type Credentials, mayWrite } from './access.ts'
import { knownType } from './entry-rules.ts'
import { Fault, ResultCode, type ResultName } from './fault.ts'
import type {
  AddRequest,
  BindRequest,
  LdapConnection,
  LdapControl,
  LdapRequest,
  LdapResponse,
  ModifyRequest,
  Next,
  RenameRequest,
  SearchRequest,
} from './ldapjs-types.ts'
import { BIND_WITHIN_MS, CONNECTIONS_MAX, MESSAGE_BYTES_MAX, SEARCH_ENTRIES_MAX } from './limits.ts'
import type { DirectoryStore, Modification, SearchScope } from './store.ts'
import { filterFromWire } from './wire-filter.ts'

export interface LdapServerOptions {
  readonly store: DirectoryStore
  readonly baseDn: string
  readonly credentials: Credentials
  /** Null: without TLS, for tests on loopback. */
  readonly tls: TlsMaterial | null
  readonly clock: Clock
  readonly logger: Logger
  /** Called after each request. */
  readonly observe: (operation: string, result: ResultName, seconds: number) => void
}

export interface LdapServer {
  listen(port: number, host: string): Promise<number>
  renew(material: TlsMaterial): void
  readonly connectionCount: number
  close(): Promise<void>
}

const SCOPES: readonly SearchScope[] = ['base', 'one', 'sub']

/** ldapjs wants a logger in the style of bunyan; what it would say holds whole requests, passwords too. */
const mute = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, fatal() {}, child: () => mute }

export function createLdapServer(options: LdapServerOptions): LdapServer {
  const { store, baseDn, credentials, clock, logger } = options
  const tls = options.tls ? { certificate: options.tls.cert, key: options.tls.key, ...TLS_DEFAULTS } : {}
  const server = ldapjs.createServer({ log: mute, ...tls })
  const net = netServerOf(server)
  const sockets = new Set<Socket>()
  const bound = new WeakMap<Socket, { readonly service: Service; readonly dn: string }>()

  /** Null unless the connection's last bind succeeded: an anonymous bind on it changes its bindDN. */
  function serviceOf(connection: LdapConnection): Service | null {
    const found = bound.get(connection)
    return found && found.dn === connection.ldap.bindDN.toString() ? found.service : null
  }

  /** A handler whose faults become answers. */
  function answering<Request extends LdapRequest>(
    operation: string,
    carryOut: (request: Request, response: LdapResponse) => void,
  ) {
    return (request: Request, response: LdapResponse, next: Next): void => {
      const began = clock.monotonicMs()
      let result: ResultName = 'success'
      try {
        for (const control of request.controls) {
          if (control.criticality && !isPaging(control)) {
            throw new Fault('unavailableCriticalExtension', `${control.type}: control not supported`)
          }
        }
        carryOut(request, response)
      } catch (error) {
        if (error instanceof Fault) {
          result = error.result
          response.diagnosticMessage = error.message
        } else {
          result = 'operationsError'
          logger.error({ err: error, operation }, 'a request failed')
          response.diagnosticMessage = 'internal error'
        }
      }
      response.end(ResultCode[result])
      options.observe(operation, result, (clock.monotonicMs() - began) / 1000)
      if (result === 'success') next()
    }
  }

  function writing<Request extends LdapRequest>(operation: string, carryOut: (request: Request, dn: string) => void) {
    return answering<Request>(operation, (request) => {
      const dn = request.dn.toString()
      const service = serviceOf(request.connection)
      if (service === null || !mayWrite(service, dn, baseDn)) {
        throw new Fault('insufficientAccessRights', 'no right to write this entry')
      }
      carryOut(request, dn)
      logger.debug({ operation, service }, 'entry written')
    })
  }

  server.bind(
    '',
    answering<BindRequest>('bind', ({ connection, dn, credentials: password }) => {
      bound.delete(connection) // RFC 4511 section 4.2.1: a failed bind leaves the connection anonymous
      const service = authenticate(credentials, baseDn, dn.toString(), password)
      if (service === null) {
        logger.warn({ address: connection.remoteAddress }, 'bind refused')
        throw new Fault('invalidCredentials', 'wrong name or password')
      }
      bound.set(connection, { service, dn: dn.toString() })
    }),
  )
  server.add(
    '',
    writing<AddRequest>('add', ({ attributes }, dn) => {
      const entry = new Map<string, string[]>()
      for (const { type, values } of attributes) {
        const name = knownType(type).name.toLowerCase()
        entry.set(name, [...(entry.get(name) ?? []), ...values])
      }
      store.add(dn, entry)
    }),
  )
  server.modify(
    '',
    writing<ModifyRequest>('modify', ({ changes }, dn) => store.modify(dn, changes.map(modification))),
  )
  server.modifyDN(
    '',
    writing<RenameRequest>('rename', ({ newRdn, deleteOldRdn, newSuperior }, dn) => {
      if (newSuperior !== undefined || !deleteOldRdn) {
        throw new Fault('unwillingToPerform', 'an entry stays below its parent, and its old name goes')
      }
      store.rename(dn, newRdn.toString())
    }),
  )
  server.del(
    '',
    writing<LdapRequest>('delete', (_request, dn) => store.delete(dn)),
  )
  server.search(
    '',
    answering<SearchRequest>('search', (request, response) => {
      const service = serviceOf(request.connection)
      if (service === null) throw new Fault('insufficientAccessRights', 'bind first')
      const scope = SCOPES[request.scope]
      if (scope === undefined) throw new Fault('protocolError', 'unknown scope')
      const mayRead = (type: AttributeType) => !type.secret || ACCESS[service].secrets
      const page = pageOf(request.controls)
      const limit = Math.min(
        page?.size || SEARCH_ENTRIES_MAX,
        request.sizeLimit || SEARCH_ENTRIES_MAX,
        SEARCH_ENTRIES_MAX,
      )
      const found = store.search({
        base: request.dn.toString(),
        scope,
        filter: filterFromWire(request.filter),
        mayRead,
        afterId: page?.afterId ?? 0,
        limit,
      })
      const wanted = selection(request.attributes)
      response.attributes = [] // ldapjs would compare names with regard to case
      for (const { dn, attributes } of found.entries) {
        const chosen = Object.entries(attributes).filter(([name]) => wanted === null || wanted.has(name.toLowerCase()))
        response.send({ dn, attributes: Object.fromEntries(chosen) }, true)
      }
      if (page) {
        const lastId = found.more ? String(found.entries.at(-1)?.id) : ''
        response.addControl(new ldapjs.PagedResultsControl({ value: { size: 0, cookie: Buffer.from(lastId) } }))
      } else if (found.more) throw new Fault('sizeLimitExceeded', `more than ${limit} entries`)
    }),
  )
  // Without a listener, a message that cannot be parsed would end the process; ldapjs closes the connection itself.
  server.on('error', (err: unknown) => logger.warn({ err }, 'connection closed: not LDAP'))
  server.on('clientError', (err: unknown) => logger.debug({ err }, 'connection error'))

  net.maxConnections = CONNECTIONS_MAX
  net.on(options.tls ? 'secureConnection' : 'connection', (socket: LdapConnection) => {
    const cancel = clock.after(BIND_WITHIN_MS, () => {
      if (serviceOf(socket) === null) socket.destroy()
    })
    socket.once('close', cancel)
    socket.on('data', () => {
      // What ldapjs still holds is the beginning of a message: a SEQUENCE (RFC 4511 section 4.1.1) within limits, or no LDAP.
      const pending = socket.parser?.buffer
      if (pending && (pending[0] !== 0x30 || pending.length > MESSAGE_BYTES_MAX)) socket.destroy()
    })
  })
  net.on('connection', (socket: Socket) => {
    socket.setNoDelay(true) // else each search waits for the client's delayed ACK: 44 ms instead of 0.1 ms
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        net.once('error', reject)
        net.listen(port, host, () => {
          net.off('error', reject)
          resolve((net.address() as AddressInfo).port) // a TCP server has this kind of address
        })
      }),
    renew(material) {
      if (net instanceof TlsServer) net.setSecureContext({ cert: material.cert, key: material.key, ...TLS_DEFAULTS })
    },
    get connectionCount() {
      return sockets.size
    },
    close: () =>
      new Promise((resolve) => {
        net.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** The net or TLS server inside ldapjs's own. */
function netServerOf(server: object): NetServer {
  return known('server' in server ? (server.server as NetServer | undefined) : undefined, 'ldapjs has its server')
}

function isPaging(control: LdapControl): boolean {
  return control.type === ldapjs.PagedResultsControl.OID
}

/** RFC 2696. The cookie is the id of the last entry sent. */
function pageOf(controls: readonly LdapControl[]): { size: number; afterId: number } | null {
  const control = controls.find(isPaging)
  if (!(control instanceof ldapjs.PagedResultsControl)) return null
  const { size, cookie } = control.value
  const afterId = Number(cookie.toString() || '0')
  if (!Number.isSafeInteger(size) || size < 0 || !Number.isSafeInteger(afterId)) {
    throw new Fault('protocolError', 'malformed paging control')
  }
  return { size, afterId }
}

/** Which attributes are wanted, in lower case; null: all (RFC 4511 section 4.5.1.8). */
function selection(attributes: readonly string[]): ReadonlySet<string> | null {
  if (attributes.length === 0 || attributes.includes('*')) return null
  return new Set(attributes.map((name) => name.toLowerCase()))
}

function modification(change: ModifyRequest['changes'][number]): Modification {
  const { operation } = change
  if (operation !== 'add' && operation !== 'delete' && operation !== 'replace') {
    throw new Fault('protocolError', 'unknown kind of modification')
  }
  return { operation, attribute: change.modification.type, values: change.modification.values }
}
