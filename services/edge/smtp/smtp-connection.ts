/**
 * smtp-server with the parts replaced that a mail store's front cannot use as they are (measured with 3.21.6, pinned):
 *
 * - a connection is served at once: the library waits a fixed 100 ms for early talkers, which bounds a client that opens one
 *   connection per letter to ten letters a second;
 * - DATA is read by `DataDecoder`: the library's loop removes dots behind a bare LF too and falls to 3 MB/s on lines that
 *   begin with a dot;
 * - replies to pipelined commands go out together (RFC 2920 section 3.2), not with one system call each;
 * - replies carry our own enhanced status codes; AUTH is not announced before TLS; unknown parameters are refused;
 * - DATA is refused with 452 before any byte is read when there is no memory for the letter.
 *
 * Only members that the package's type declarations name are overridden; `smtp-connection.test.ts` holds it to them.
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream, type SMTPStreamOptions } from 'smtp-server/lib/smtp-stream.js'
import { DataDecoder } from '#lib/letter/mod.ts'
import { REPLIES } from './replies.ts'

const ENHANCED_STATUS_CODE = /^[245]\.\d{1,3}\.\d{1,3} /

export interface EdgeServerHooks {
  /** Whether a letter may begin now. */
  readonly mayTakeLetter: () => boolean
}

/** Keeps the replies of a connection back, or lets them go. */
interface Replies {
  hold(): void
  release(): void
}

class EdgeStream extends SMTPStream {
  readonly #replies: Replies
  #decoder = new DataDecoder()

  constructor(options: SMTPStreamOptions, replies: Replies) {
    super(options)
    this.#replies = replies
  }

  /** One chunk from the socket: what it is answered goes out when all of it has been dealt with. */
  override _write(chunk: Buffer, encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void): void {
    this.#replies.hold()
    super._write(chunk, encoding, (error) => {
      this.#replies.release()
      next(error)
    })
  }

  override startDataMode(maxBytes?: number | string | null) {
    this.#decoder = new DataDecoder()
    return super.startDataMode(maxBytes)
  }

  override _feedDataStream(chunk: Buffer, done: (error?: Error | null) => void): void {
    const stream = this._dataStream
    let flowing = true
    const end = this.#decoder.push(chunk, (piece) => {
      this._countDataBytes(piece.length)
      if (stream?.writable) flowing = stream.write(piece)
    })
    if (end !== -1) {
      this._endDataMode(false, chunk.subarray(end), done)
      return
    }
    if (flowing || !stream || stream.destroyed) {
      done()
      return
    }
    const next = () => {
      stream.off('drain', next)
      stream.off('close', next)
      done()
    }
    stream.on('drain', next)
    stream.on('close', next)
  }
}

/** The parameters of MAIL that smtp-server carries out; AUTH= is allowed and ignored (RFC 4954 section 5). */
const MAIL_PARAMETERS = new Set(['SIZE', 'BODY', 'AUTH'])

export class EdgeConnection extends SMTPConnection {
  readonly #hooks: EdgeServerHooks
  #begun = false
  /** The socket whose replies are held back. */
  #held: Socket | null = null

  constructor(server: SMTPServer, socket: Socket | TLSSocket, options: SMTPConnectionOptions, hooks: EdgeServerHooks) {
    super(server, socket, options)
    this.#hooks = hooks
  }

  /** A letter is being read or delivered on this connection. */
  get busy(): boolean {
    return Boolean(this._dataStream)
  }

  override init(): void {
    super.init()
    this.connectionReady()
  }

  /** Once: the library's own timer calls it again later. */
  override connectionReady(next?: () => void): void {
    if (this.#begun) return
    this.#begun = true
    super.connectionReady(next)
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const ours = typeof data === 'string' && ENHANCED_STATUS_CODE.test(data)
    super.send(code, data, ours ? false : context)
  }

  override _createParser(): SMTPStream {
    const parser = new EdgeStream(
      { maxCommandLength: this._server.options.maxCommandLength },
      { hold: () => this.#hold(), release: () => this.#release() },
    )
    parser.oncommand = (command, callback) => this._onCommand(command, callback)
    parser.on('error', (error) => this.send(421, `Error: ${error.message}`))
    return parser
  }

  /** Held replies would never drain. */
  override _whenWritable(next: () => void): void {
    if (this._socket.writableNeedDrain) this.#release()
    super._whenWritable(next)
  }

  /** The go-ahead must be out before the handshake takes the socket over. */
  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.#release()
    super.upgrade(callback, secureCallback)
  }

  #hold(): void {
    if (this.#held !== null || this._upgrading) return
    this.#held = this._socket
    this.#held.cork()
  }

  #release(): void {
    const held = this.#held
    this.#held = null
    held?.uncork()
  }

  override handler_EHLO(command: Buffer, callback: () => void): void {
    const announced = this.session.disabledCommands
    if (!this.secure) this.session.disabledCommands = [...this._server.options.disabledCommands, 'AUTH']
    super.handler_EHLO(command, callback)
    this.session.disabledCommands = announced
  }

  override _validateMailParams(parsed: Parameters<SMTPConnection['_validateMailParams']>[0]) {
    const parameters = parsed.args ? Object.keys(parsed.args) : []
    if (parameters.some((name) => !MAIL_PARAMETERS.has(name)) || isBinaryMime(parsed.args)) {
      const { code, text } = REPLIES.unknownParameter
      return { code, message: text, enhancedCode: null }
    }
    return super._validateMailParams(parsed)
  }

  override handler_DATA(command: Buffer, callback: () => void): void {
    if (this.session.envelope.rcptTo.length > 0 && !this.#hooks.mayTakeLetter()) {
      this.send(REPLIES.noRoom.code, REPLIES.noRoom.text)
      callback()
      return
    }
    super.handler_DATA(command, callback)
  }
}

/** No CHUNKING, so no BINARYMIME: rules.md asks for 555. */
function isBinaryMime(args: unknown): boolean {
  return (
    typeof args === 'object' &&
    args !== null &&
    'BODY' in args &&
    typeof args.BODY === 'string' &&
    args.BODY.toUpperCase() === 'BINARYMIME'
  )
}

export class EdgeSmtpServer extends SMTPServer {
  readonly #hooks: EdgeServerHooks

  constructor(options: SMTPServerOptions, hooks: EdgeServerHooks) {
    super(options)
    this.#hooks = hooks
  }

  /** The library's own `connect` with our connection in place of its own. */
  override connect(socket: Socket | TLSSocket, socketOptions?: SMTPConnectionOptions | null): void {
    const connection = new EdgeConnection(this, socket, socketOptions ?? {}, this.#hooks)
    this.connections.add(connection)
    connection.on('error', (error: Error) => this._onError(error))
    connection.on('connect', (info) => this._onClientConnect(info))
    connection.init()
  }

  /** Tells every connection without a letter to go; the others get 421 at their next command. */
  endIdle(): void {
    for (const connection of this.connections) {
      if (connection instanceof EdgeConnection && connection.busy) continue
      connection.send(REPLIES.stopping.code, REPLIES.stopping.text)
    }
  }
}
