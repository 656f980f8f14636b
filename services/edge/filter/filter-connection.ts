/**
 * One connection to a filter: a socket on one side, the milter engine on the other, letters shown one after the other. What the
 * filter says comes as one result per letter.
 * Invariants: a letter that is not settled when the connection ends is `lost`, never a pass; after a letter that did not end well the
 * connection is closed and not used again.
 */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { CodedError, type ErrorSpec, errorMessage } from '#lib/errors/coded-error.ts'
import {
  ACTION,
  BODY_PIECE_BYTES_MAX,
  type ClientAddress,
  type ClientEvent,
  type Edit,
  MilterClient,
  STEP,
  splitField,
  type Verdict,
} from '#lib/milter/mod.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames } from '#lib/tls/roles.ts'

export const FILTER_ERRORS = {
  FILTER_UNREACHABLE: {
    smtp: '451 4.3.0',
    retry: true,
    meaning: 'A filter does not take connections, went away, or was silent for too long.',
  },
} as const satisfies Record<string, ErrorSpec>

export class FilterError extends CodedError<keyof typeof FILTER_ERRORS> {
  override readonly name = 'FilterError'
}

export interface FilterEndpoint {
  readonly host: string
  readonly port: number
}

/** Envelope of a letter and who brings it. Paths without angle brackets. */
export interface FilterEnvelope {
  readonly traceId: string
  readonly hostname: string
  readonly client: ClientAddress
  readonly helo: string
  readonly reversePath: string
  readonly recipients: readonly string[]
  /** Login of the user who submits it. */
  readonly user: string | null
  readonly tls: boolean
}

export interface FilterResult {
  /** Never `skip`. */
  readonly verdict: Verdict
  /** Recipients that the filter refuses, by their place in the envelope. */
  readonly refused: ReadonlyMap<number, Verdict>
  readonly edits: readonly Edit[]
}

export interface FilterConnectionOptions {
  readonly endpoint: FilterEndpoint
  /** Null: plain. */
  readonly tls: TlsMaterial | null
  readonly clock: Clock
  readonly connectMs: number
  /** Longest silence while an answer is awaited. */
  readonly silenceMs: number
  readonly newBodyBytesMax: number
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: FilterError) => void
}

export class FilterConnection {
  readonly #options: FilterConnectionOptions
  readonly #client: MilterClient
  readonly #socket: Socket
  #failure: FilterError | null = null
  #agreed = false
  #used = false
  /** Of the letter at hand. */
  #verdict: Verdict | null = null
  #recipients = 0
  #refused = new Map<number, Verdict>()
  #edits: readonly Edit[] = []
  #waiting: Waiting | null = null
  #cancelSilence: (() => void) | null = null

  private constructor(options: FilterConnectionOptions, socket: Socket) {
    this.#options = options
    this.#socket = socket
    this.#client = new MilterClient({
      actions: ACTION.addHeader | ACTION.changeHeader | ACTION.quarantine | ACTION.requestMacros,
      newBodyBytesMax: options.newBodyBytesMax,
    })
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#client.push(chunk)
      this.#take()
    })
    socket.on('drain', () => this.#wake())
    socket.on('error', (error) => this.#fail(`it failed: ${errorMessage(error)}`))
    socket.on('close', () => this.#fail('it closed the connection'))
  }

  /** @throws {FilterError} FILTER_UNREACHABLE */
  static async open(options: FilterConnectionOptions): Promise<FilterConnection> {
    const { endpoint, tls } = options
    const socket =
      tls === null
        ? connectPlain(endpoint)
        : connectTls({
            ...endpoint,
            ...tls,
            ...TLS_DEFAULTS,
            // Filters answer under the addresses of their pods: it is the role that counts.
            checkServerIdentity: (_host, certificate) =>
              identityFromAltNames(certificate.subjectaltname)?.role === 'filter'
                ? undefined
                : new Error('its certificate is not that of a filter'),
          })
    const connection = new FilterConnection(options, socket)
    connection.#write()
    await connection.#until(() => connection.#agreed, options.connectMs)
    return connection
  }

  /** Nothing is under way and another letter can be shown. */
  get reusable(): boolean {
    return this.#failure === null && this.#client.reusable
  }

  /**
   * Shows the envelope and the header.
   * @param fields Header fields with their folds and line ends, latin1.
   * @throws {FilterError}
   */
  async begin(envelope: FilterEnvelope, fields: readonly string[]): Promise<void> {
    const client = this.#client
    if (this.#used) client.newConnection()
    this.#used = true
    this.#verdict = null
    this.#recipients = 0
    this.#refused = new Map()
    this.#edits = []
    client.ask({ kind: 'connect', hostname: addressText(envelope.client), client: envelope.client }, [
      ['j', envelope.hostname],
      ['client_addr', addressText(envelope.client)],
      ['daemon_name', envelope.hostname],
    ])
    client.ask({ kind: 'helo', name: envelope.helo }, envelope.tls ? [['tls_version', 'TLS']] : [])
    client.ask({ kind: 'mail', path: `<${envelope.reversePath}>`, parameters: [] }, [
      ['i', envelope.traceId],
      ['mail_addr', envelope.reversePath],
      ...(envelope.user === null ? [] : [['auth_authen', envelope.user] as const]),
    ])
    for (const recipient of envelope.recipients) {
      client.ask({ kind: 'recipient', path: `<${recipient}>`, parameters: [] }, [['rcpt_addr', recipient]])
    }
    client.ask({ kind: 'data' }, [['i', envelope.traceId]])
    const leadingSpace = ((client.agreement?.steps ?? 0) & STEP.headerLeadingSpace) !== 0
    for (const field of fields) client.ask({ kind: 'header', ...splitField(field, leadingSpace) })
    client.ask({ kind: 'end-of-headers' })
    await this.#settled()
  }

  /** Shows the next bytes of the body. Resolves when there is room for more. @throws {FilterError} */
  async body(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += BODY_PIECE_BYTES_MAX) {
      this.#client.ask({ kind: 'body', piece: bytes.subarray(at, at + BODY_PIECE_BYTES_MAX) })
      await this.#settled()
    }
  }

  /** @throws {FilterError} */
  async end(): Promise<FilterResult> {
    this.#client.ask({ kind: 'end-of-message' })
    await this.#settled()
    return { verdict: this.#verdict ?? { kind: 'continue' }, refused: this.#refused, edits: this.#edits }
  }

  /** The letter is given up; the connection with it, since nobody waits for what is still to be said. */
  close(): void {
    this.#client.quit()
    this.#write()
    this.#socket.end()
    this.#socket.destroySoon()
  }

  async #settled(): Promise<void> {
    this.#takeEvents() // what needs no answer is settled at once
    this.#write()
    await this.#until(() => this.#client.pendingSteps === 0 && !this.#socket.writableNeedDrain, this.#options.silenceMs)
  }

  #write(): void {
    if (this.#socket.destroyed) return
    this.#socket.cork()
    for (const bytes of this.#client.takeOutput()) this.#socket.write(bytes)
    this.#socket.uncork()
  }

  #take(): void {
    this.#takeEvents()
    this.#write()
    this.#listenOn()
    this.#wake()
  }

  #takeEvents(): void {
    for (let event = this.#client.next(); event !== null; event = this.#client.next()) this.#takeEvent(event)
  }

  #takeEvent(event: ClientEvent): void {
    switch (event.kind) {
      case 'agreed':
        this.#agreed = true
        break
      case 'progress':
        break
      case 'failed':
        this.#fail(event.error.message)
        break
      case 'settled': {
        const { step, verdict } = event
        if (step === 'recipient' && (verdict.kind === 'reject' || verdict.kind === 'tempfail')) {
          this.#refused.set(this.#recipients, verdict)
        } else if (verdict.kind !== 'continue' && verdict.kind !== 'skip') this.#verdict ??= verdict
        if (step === 'recipient') this.#recipients++
        if (step === 'end-of-message') this.#edits = event.edits
        break
      }
      default:
        event satisfies never
    }
  }

  /** Resolves when `done`; the filter may be silent for `silenceMs`. */
  async #until(done: () => boolean, silenceMs: number): Promise<void> {
    while (!done()) {
      if (this.#failure !== null) throw this.#failure
      await new Promise<void>((resolve, reject) => {
        this.#waiting = { resolve, reject }
        this.#silence(silenceMs)
      })
    }
    if (this.#failure !== null) throw this.#failure
  }

  #silence(ms: number): void {
    this.#cancelSilence ??= this.#options.clock.after(ms, () => this.#fail(`it was silent for ${ms} ms`))
  }

  #listenOn(): void {
    this.#cancelSilence?.()
    this.#cancelSilence = null
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.resolve()
  }

  #fail(reason: string): void {
    this.#listenOn()
    if (this.#failure !== null) return
    const { host, port } = this.#options.endpoint
    this.#failure = new FilterError('FILTER_UNREACHABLE', `Cannot use the filter at ${host}:${port}: ${reason}`)
    this.#socket.destroy()
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.reject(this.#failure)
  }
}

function addressText(client: ClientAddress): string {
  return client.family === 'unknown' ? 'unknown' : client.address
}
