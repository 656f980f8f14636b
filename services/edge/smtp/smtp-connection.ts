/**
 * One client of a mail listener: a socket on one side, the receiver (`lib/smtp`) on the other, the service's decisions
 * between them. Whatever the receiver says to one piece of input is one write; a client that does not read its replies, or
 * sends more than can be stored, is not read.
 */
import type { Socket } from 'node:net'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { type Action, type CloseReason, PIPELINED_BYTES_MAX, type Reply, SmtpReceiver } from '#lib/smtp/mod.ts'
import type { SaslExchange } from '../auth/sasl-exchange.ts'
import { GOODBYE_LINGER_MS, SMTP_IDLE_MS } from '../limits.ts'
import { dropInput, startTls, tlsFacts } from '../sessions/tls-socket.ts'
import type { LetterBody } from './letter-body.ts'
import { REPLIES } from './replies.ts'
import type { Decision, Peer, SmtpListener, SmtpService } from './smtp-service.ts'

export class SmtpConnection {
  readonly #service: SmtpService
  readonly #listener: SmtpListener
  readonly #peer: Peer
  readonly #onClosed: () => void
  readonly #receiver: SmtpReceiver
  #socket: Socket
  /** The letter that is being sent or stored. */
  /** The attempt to log in that is in progress, of a mechanism that is carried out here. */
  #exchange: SaslExchange | null = null
  #body: LetterBody | null = null
  #running = false
  /** The letter takes no more for now. */
  #bodyFull = false
  /** The client does not take its replies. */
  #unread = false
  #paused = false
  /** The client will say no more. */
  #inputEnded = false
  /** The farewell has been written. */
  #parting = false
  #closed = false
  #stopping = false
  /** A handshake is under way: nothing may be written. */
  #securing = false
  #cancelLinger: (() => void) | null = null

  readonly #onData = (chunk: Buffer) => {
    this.#receiver.push(chunk)
    this.#run()
  }
  readonly #onEnd = () => {
    this.#inputEnded = true
    this.#run()
  }
  readonly #onDrain = () => {
    this.#unread = false
    this.#run()
  }
  readonly #onTimeout = () => this.#timeout()

  /** @param socket Just accepted, created with `allowHalfOpen`. @param onClosed Called once. */
  constructor(service: SmtpService, listener: SmtpListener, socket: Socket, peer: Peer, onClosed: () => void) {
    this.#service = service
    this.#listener = listener
    this.#socket = socket
    this.#peer = peer
    this.#onClosed = onClosed
    this.#receiver = new SmtpReceiver({
      ...service.receiverOptions(listener),
      hostMechanisms: () => service.mechanisms(this.#socket),
    })
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#close())
  }

  /** Greets, after the handshake where the listener begins with one. */
  begin(): void {
    if (this.#listener.tls === 'implicit') void this.#secure(() => this.#receiver.greet())
    else {
      const delayMs = this.#service.greetingDelayMs(this.#peer)
      if (delayMs === 0) this.#greet()
      else this.#greetLater(delayMs)
    }
  }

  #greet(): void {
    this.#listen()
    this.#receiver.greet()
    this.#run()
  }

  /** Programs that send without listening do not wait for a greeting (RFC 5321 section 3.1: a client should). */
  #greetLater(delayMs: number): void {
    const socket = this.#socket
    const over = () => {
      cancel()
      socket.off('data', early)
      socket.off('close', over)
    }
    const early = () => {
      over()
      this.refuse(this.#service.earlyTalker())
    }
    const cancel = this.#service.clock.after(delayMs, () => {
      over()
      if (!this.#closed && !this.#parting) this.#greet()
    })
    socket.once('data', early)
    socket.once('close', over)
  }

  /** Refuses the client before it has said anything. */
  refuse(reply: Reply): void {
    if (this.#listener.tls === 'implicit') {
      this.#socket.destroy() // a handshake costs more than the reply is worth
      return
    }
    this.#listen()
    this.#receiver.end(reply)
    this.#run()
  }

  /** Says goodbye now, or as soon as the letter in flight is answered. */
  stop(): void {
    this.#stopping = true
    if (this.#securing) this.#socket.destroy()
    else this.#run()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #listen(): void {
    this.#socket.on('data', this.#onData)
    this.#socket.on('end', this.#onEnd)
    this.#socket.on('drain', this.#onDrain)
    this.#socket.setTimeout(SMTP_IDLE_MS, this.#onTimeout)
  }

  #mute(): void {
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.off('drain', this.#onDrain)
    this.#socket.setTimeout(0)
    this.#socket.off('timeout', this.#onTimeout)
  }

  /** Carries out everything that can be done now. Calls from within return at once: the loop goes on behind them. */
  #run(): void {
    if (this.#running || this.#closed || this.#parting || this.#securing) return
    this.#running = true
    for (;;) {
      if (this.#stopping && !this.#receiver.inLetter) this.#receiver.end(REPLIES.stopping)
      const action = this.#bodyFull || this.#unread ? null : this.#receiver.next()
      if (action === null) {
        if (this.#receiver.outputFull && !this.#unread) {
          this.#write()
          continue
        }
        break
      }
      if (action.kind === 'close') {
        this.#part(action.reason)
        break
      }
      if (action.kind === 'start-tls') {
        void this.#upgrade()
        break
      }
      this.#carryOut(action)
    }
    this.#running = false
    if (this.#receiver.hungry && !this.#bodyFull) {
      this.#write()
      if (this.#inputEnded && !this.#unread) this.#part('gone')
    }
    this.#steer()
  }

  #carryOut(action: Exclude<Action, { kind: 'close' | 'start-tls' }>): void {
    const service = this.#service
    switch (action.kind) {
      case 'body':
        if (this.#body?.push(action.piece) === false) this.#bodyFull = true
        break
      case 'sender':
        this.#peer.helo = this.#receiver.helo
        this.#settle(service.sender(this.#peer, action.mail))
        break
      case 'recipient':
        this.#settle(service.recipient(this.#peer, action.recipient))
        break
      case 'login':
        this.#settle(service.login(this.#peer, action.credentials))
        break
      case 'exchange':
        this.#goOn(action)
        break
      case 'letter':
        this.#beginLetter()
        break
      case 'letter-end':
        this.#body?.end()
        break
      case 'letter-abandoned':
        this.#dropLetter()
        break
      default:
        action satisfies never
    }
  }

  #settle(decision: Decision): void {
    if (!(decision instanceof Promise)) {
      this.#receiver.settle(decision)
      return
    }
    decision.then(
      (reply) => {
        this.#receiver.settle(reply)
        this.#run()
      },
      (error: unknown) => {
        this.#receiver.settle(this.#service.bug(error))
        this.#run()
      },
    )
  }

  /** One message of a mechanism that is carried out here. */
  #goOn({ mechanism, message, first }: Extract<Action, { kind: 'exchange' }>): void {
    if (first || this.#exchange === null) this.#exchange = this.#service.beginExchange(mechanism, this.#socket)
    this.#service.exchange(this.#peer, this.#exchange, mechanism, message).then(
      (answer) => {
        if (Buffer.isBuffer(answer)) this.#receiver.challenge(answer)
        else this.#receiver.settle(answer)
        this.#run()
      },
      (error: unknown) => {
        this.#receiver.settle(this.#service.bug(error))
        this.#run()
      },
    )
  }

  #beginLetter(): void {
    const refusal = this.#service.refuseLetter()
    if (refusal === null) {
      const beganMs = this.#service.clock.monotonicMs()
      const body = this.#service.newBody(this.#peer, {
        onReady: () => this.#takeLetter(body, beganMs),
        onRoom: () => {
          this.#bodyFull = false
          this.#run()
        },
      })
      this.#body = body
    }
    this.#receiver.settle(refusal)
  }

  /** The service reads the letter to its end, so its answer comes after the receiver has asked for it, or never. */
  #takeLetter(body: LetterBody, beganMs: number): void {
    const facts = { protocol: this.#receiver.transmission, helo: this.#receiver.helo, tls: tlsFacts(this.#socket) }
    const answer = (replies: readonly Reply[]) => {
      if (this.#body !== body) return // gone, or taken back
      this.#body = null
      this.#receiver.settleLetter(replies)
      this.#run()
    }
    this.#service.letter(this.#peer, body, beganMs, facts).then(answer, (error: unknown) => {
      answer(this.#service.eachRecipient(this.#peer, this.#service.bug(error)))
    })
  }

  #dropLetter(): void {
    const body = this.#body
    this.#body = null
    this.#bodyFull = false
    body?.abandon()
  }

  #write(): void {
    const text = this.#receiver.takeOutput()
    if (text !== '' && !this.#socket.destroyed && !this.#socket.write(text, 'latin1')) this.#unread = true
  }

  /** Reads the socket, or not. */
  #steer(): void {
    if (this.#closed || this.#parting || this.#securing) return
    const pause = this.#bodyFull || this.#unread || this.#receiver.pendingBytes > PIPELINED_BYTES_MAX
    if (pause === this.#paused) return
    this.#paused = pause
    if (pause) this.#socket.pause()
    else this.#socket.resume()
  }

  async #upgrade(): Promise<void> {
    this.#mute()
    this.#socket.pause()
    dropInput(this.#socket)
    this.#write()
    await this.#secure(() => this.#receiver.tlsStarted())
  }

  async #secure(then: () => void): Promise<void> {
    this.#securing = true
    try {
      this.#socket = await startTls(this.#socket, this.#service.tlsContext(), this.#service.clock)
    } catch (error) {
      this.#service.logger.debug({ session: this.#peer.session, reason: errorMessage(error) }, 'no TLS')
      return // the socket is destroyed
    }
    const secure = this.#socket
    secure.on('error', () => secure.destroy())
    this.#securing = false
    this.#unread = false
    this.#paused = false
    this.#listen()
    then()
    this.#run()
  }

  #timeout(): void {
    if (!this.#receiver.hungry || this.#bodyFull) {
      this.#socket.setTimeout(SMTP_IDLE_MS) // it is we who keep the client waiting
      return
    }
    this.#receiver.end(REPLIES.idle)
    this.#run()
  }

  /**
   * Writes the farewell and ends our side. What the client still says is read and dropped for a moment: closing a socket with
   * unread input would tear the farewell away from a client that has not read it yet.
   */
  #part(reason: CloseReason | 'gone'): void {
    this.#parting = true
    this.#dropLetter()
    this.#write()
    this.#mute()
    const { session, address } = this.#peer
    this.#service.logger.debug({ session, address, reason }, 'connection ends')
    this.#socket.resume()
    this.#socket.once('end', () => this.#socket.destroySoon())
    if (this.#inputEnded) this.#socket.destroySoon()
    else this.#socket.end()
    this.#cancelLinger = this.#service.clock.after(GOODBYE_LINGER_MS, () => this.#socket.destroy())
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelLinger?.()
    this.#dropLetter()
    this.#onClosed()
  }
}
