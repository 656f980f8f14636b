/**
 * A few kept connections to the directory, each bound as this service over TLS. A connection is used only while it is bound:
 * ldapts would reconnect by itself without an identity, and an anonymous search that finds nothing looks like "no such
 * account", so every connection may connect once and is thrown away when it is lost.
 */
import { connect as connectPlain } from 'node:net'
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls'
import { Client, MessageParserError, ResultCodeError } from 'ldapts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Resolver } from '#lib/platform/resolver.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames } from '#lib/tls/roles.ts'
import { DirectoryError } from './errors.ts'
import { CONNECT_TIMEOUT_MS, OPERATION_TIMEOUT_MS, POOL_CONNECTIONS } from './limits.ts'
import { type Service, serviceDn } from './schema.ts'

export interface LdapAccess {
  /** As `ldaps://directory.default.svc:3636`; `ldap://` only for tests on loopback. */
  readonly url: string
  /** As `o=twinpost`. */
  readonly baseDn: string
  /** Binds as `cn=<service>,ou=services,<baseDn>`. */
  readonly service: Service
  readonly password: string
  /** Asked at each new connection; its CA must have signed the directory's certificate. */
  readonly tls: () => Pick<TlsMaterial, 'ca'>
  readonly resolve: Resolver
  /** Overrides the name to bind as: the administrator of another directory server. */
  readonly bindDn?: string
}

/** RFC 4511 appendix A.2: the server could not, for now (248: ldapts got no result at all). Everything else is an answer. */
const TEMPORARY_RESULTS: ReadonlySet<number> = new Set([1, 3, 51, 52, 248])

export class LdapPool {
  readonly #access: LdapAccess
  readonly #slots: (Promise<Client> | null)[] = new Array(POOL_CONNECTIONS).fill(null)
  #next = 0
  #closed = false

  constructor(access: LdapAccess) {
    this.#access = access
  }

  get baseDn(): string {
    return this.#access.baseDn
  }

  /**
   * Runs a read; it is repeated once on another connection if the first is lost.
   * @throws {DirectoryError} DIRECTORY_UNAVAILABLE, or DIRECTORY_REFUSED when the answer is an error
   */
  async read<T>(ask: (client: Client) => Promise<T>): Promise<T> {
    try {
      return await this.#run(ask, 2)
    } catch (error) {
      if (!(error instanceof ResultCodeError)) throw error
      throw new DirectoryError('DIRECTORY_REFUSED', `Cannot read the directory: ${error.message}`, { cause: error })
    }
  }

  /**
   * Runs a write once: whether a lost one was carried out is unknown, so the caller must be able to repeat it.
   * @throws {DirectoryError} DIRECTORY_UNAVAILABLE, {ResultCodeError} for answers that are errors
   */
  write<T>(ask: (client: Client) => Promise<T>): Promise<T> {
    return this.#run(ask, 1)
  }

  async close(): Promise<void> {
    this.#closed = true
    const open = this.#slots.splice(0)
    await Promise.allSettled(open.map(async (slot) => await (await slot)?.unbind()))
  }

  async #run<T>(ask: (client: Client) => Promise<T>, tries: number): Promise<T> {
    for (let left = tries; ; left--) {
      const slot = this.#next
      this.#next = (slot + 1) % POOL_CONNECTIONS
      let client: Client | null = null
      try {
        client = await this.#client(slot)
        return await ask(client)
      } catch (error) {
        if (error instanceof ResultCodeError && !TEMPORARY_RESULTS.has(error.code)) throw error
        const lost = !(error instanceof ResultCodeError)
        // A lost connection is seen as such by whoever wants it next; one that cannot be understood is ended here. Nothing
        // else is touched: the slot may hold a new one already, in use by others.
        if (error instanceof MessageParserError) client?.unbind().catch(() => {})
        if (lost && left > 1 && !this.#closed) continue
        if (error instanceof DirectoryError) throw error
        throw new DirectoryError('DIRECTORY_UNAVAILABLE', `Cannot ask the directory: ${errorMessage(error)}`, {
          cause: error,
        })
      }
    }
  }

  async #client(slot: number): Promise<Client> {
    if (this.#closed) throw new DirectoryError('DIRECTORY_UNAVAILABLE', 'Cannot ask the directory: closed')
    const present = this.#slots[slot]
    if (present) {
      const client = await present
      if (client.isConnected && client.isBound) return client
      // Lost: of all who find that out at the same time, the first opens the next one.
      if (this.#slots[slot] !== present) return await this.#client(slot)
    }
    const opening = this.#open()
    this.#slots[slot] = opening
    opening.catch(() => {
      if (this.#slots[slot] === opening) this.#slots[slot] = null
    })
    return await opening
  }

  async #open(): Promise<Client> {
    const { url, service, password, baseDn } = this.#access
    const target = new URL(url)
    const host = target.hostname.replace(/^\[|\]$/g, '')
    const secure = target.protocol === 'ldaps:'
    const address = await this.#access.resolve(host)
    const port = Number(target.port || (secure ? 636 : 389))
    const client = new Client({
      url: secure ? `ldaps://${host}:${port}` : `ldap://${address}:${port}`,
      timeout: OPERATION_TIMEOUT_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...(secure
        ? { createSecureConnection: once(() => this.#connect(host, address, port)) }
        : { createConnection: once(() => connectPlain(port, address)) }),
    })
    try {
      await client.bind(this.#access.bindDn ?? serviceDn(service, baseDn), password)
      return client
    } catch (cause) {
      await client.unbind().catch(() => {}) // the bind's own error is what matters
      throw new DirectoryError(
        'DIRECTORY_UNAVAILABLE',
        `Cannot bind to the directory as ${service}: ${errorMessage(cause)}`,
        { cause },
      )
    }
  }

  #connect(host: string, address: string, port: number): TLSSocket {
    const socket = connectTls({
      host: address,
      port,
      servername: /[a-z]/i.test(host) ? host : '',
      ca: this.#access.tls().ca,
      ...TLS_DEFAULTS,
      // Our own directory is known by its role; a platform's LDAP by the name in the URL. Any other role of ours is refused.
      checkServerIdentity: (_name, certificate) => {
        const names = certificate.subjectaltname ?? ''
        if (!names.includes('URI:twinpost:')) return checkServerIdentity(host, certificate)
        return identityFromAltNames(names)?.role === 'directory'
          ? undefined
          : new DirectoryError('DIRECTORY_UNAVAILABLE', `Cannot trust ${host}: its certificate is not the directory's`)
      },
    })
    socket.setNoDelay(true)
    return socket
  }
}

/** A second connection of the same client would be one without an identity: refused. */
function once<T>(make: () => T): () => T {
  let made = false
  return () => {
    if (made) throw new DirectoryError('DIRECTORY_UNAVAILABLE', 'Cannot use the connection: it was lost')
    made = true
    return make()
  }
}
