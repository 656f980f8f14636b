/** TLS over an accepted socket: the same way for a port that begins with TLS and for STARTTLS. */
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_HANDSHAKE_MS } from '../limits.ts'

export const TLS_ERRORS = {
  TLS_HANDSHAKE: { retry: true, meaning: 'A client did not get through its TLS handshake.' },
} as const satisfies Record<string, ErrorSpec>

export class TlsError extends CodedError<keyof typeof TLS_ERRORS> {
  override readonly name = 'TlsError'
}

/**
 * Shakes hands as server. What the socket has read in clear text before is dropped: it was said before TLS and must not
 * count after it (RFC 3207 section 4.2, RFC 9051 section 6.2.1, RFC 2595 section 4).
 * @throws {TlsError} and then the socket is destroyed.
 */
export function startTls(socket: Socket, context: SecureContext, clock: Clock): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = new TLSSocket(socket, { isServer: true, secureContext: context })
    const cancel = clock.after(TLS_HANDSHAKE_MS, () => fail(new Error('timed out')))
    const onClose = () => fail(new Error('closed'))
    const fail = (cause: Error) => {
      done()
      secure.on('error', () => {}) // whatever the torn handshake still says
      secure.destroy()
      socket.destroy()
      reject(new TlsError('TLS_HANDSHAKE', `Cannot begin TLS: ${cause.message}`, { cause }))
    }
    const done = () => {
      cancel()
      secure.off('error', fail)
      secure.off('_tlsError', fail)
      secure.off('close', onClose)
      secure.off('end', onClose)
    }
    secure.on('error', fail)
    secure.on('_tlsError', fail)
    secure.on('close', onClose)
    secure.on('end', onClose) // the socket allows half-open connections; a handshake does not
    secure.once('secure', () => {
      done()
      resolve(secure)
    })
  })
}

/** Reads and drops what has arrived on a paused socket. */
export function dropInput(socket: Socket): void {
  while (socket.read() !== null) {
    // said in clear text: dropped
  }
}

/** As `TLSv1.3 TLS_AES_256_GCM_SHA384`; null for a socket without TLS. */
export function tlsFacts(socket: Socket): string | null {
  if (!(socket instanceof TLSSocket)) return null
  return `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher().standardName}`
}
