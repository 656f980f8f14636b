/**
 * One mail server: a socket on one side, the milter engine on the other. It gathers a letter, has it scanned at its end, takes
 * forged evidence out and puts ours in.
 * Invariants: what a letter holds of the memory is given back however the letter ends; while a letter is scanned nothing further is
 * read, and the mail server hears that we are at work.
 */
import type { Socket } from 'node:net'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { EVIDENCE_HEADER, type Evidence, encodeEvidence } from '#lib/filter/evidence.ts'
import type { Logger } from '#lib/log/logger.ts'
import { ACTION, MilterServer, STEP, type Step, type Verdict } from '#lib/milter/mod.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Letter } from '../letter/letter.ts'
import { LetterBuilder } from '../letter/letter-builder.ts'
import { IDLE_MS, PROGRESS_EVERY_MS } from '../limits.ts'
import type { Memory } from '../memory.ts'
import type { FilterMetrics } from '../metrics.ts'

export interface ConnectionOptions {
  readonly scan: (letter: Letter) => Promise<readonly Evidence[]>
  /** Larger letters are judged by what came first. */
  readonly letterBytesMax: number
  readonly memory: Memory
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: FilterMetrics
}

const CONTINUE: Verdict = { kind: 'continue' }
const NO_MEMORY: Verdict = {
  kind: 'tempfail',
  reply: { code: 451, lines: ['4.3.2 Filter has no memory left, try again later'] },
}
const EVIDENCE_NAME = EVIDENCE_HEADER.toLowerCase()

/**
 * What we ask of a mail server: everything but answers nobody needs. Without one for each piece of the body a letter comes in one go; what
 * is too much of it is dropped here, and told at its end.
 */
const STEPS =
  STEP.noUnknown |
  STEP.silentConnect |
  STEP.silentHelo |
  STEP.silentMail |
  STEP.silentRecipient |
  STEP.silentData |
  STEP.silentHeader |
  STEP.silentEndOfHeaders |
  STEP.silentBody |
  STEP.skip |
  STEP.headerLeadingSpace

const MACROS = new Map([
  ['mail', ['i', 'auth_authen']],
  ['end-of-message', ['i']],
] as const)

export class FilterConnection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #server = new MilterServer({ actions: ACTION.addHeader | ACTION.changeHeader, steps: STEPS, macros: MACROS })
  #builder: LetterBuilder | null = null
  #held = 0
  /** The letter found no memory: it is refused at its next answer. */
  #refused = false
  /** No more of this letter's body is kept. */
  #cut = false
  #clientAddress: string | null = null
  #helo: string | null = null
  #busy = false
  #closed = false

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    options.metrics.connections.inc()
    socket.setNoDelay(true)
    socket.setTimeout(IDLE_MS, () => socket.destroy())
    socket.on('error', (error) => {
      options.logger.debug({ reason: errorMessage(error) }, 'connection failed')
      socket.destroy()
    })
    socket.once('close', () => this.#close())
    socket.on('drain', () => this.#steer())
    socket.on('data', (chunk: Buffer) => {
      this.#server.push(chunk)
      this.#run()
    })
  }

  /** A letter is being taken or judged. */
  get busy(): boolean {
    return this.#busy || (this.#builder !== null && this.#builder.bytes > 0)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #run(): void {
    while (!this.#closed && !this.#busy) {
      const event = this.#server.next()
      if (event === null) break
      switch (event.kind) {
        case 'agreed':
          this.#builder = new LetterBuilder((event.agreement.steps & STEP.headerLeadingSpace) !== 0)
          break
        case 'step':
          this.#take(event.step, event.answer)
          break
        case 'abort':
          this.#drop('abandoned')
          break
        case 'new-connection':
          this.#drop('abandoned')
          this.#clientAddress = null
          this.#helo = null
          break
        case 'quit':
          this.#write()
          this.#socket.end()
          return
        case 'failed':
          this.#options.logger.warn(
            { code: event.error.code, reason: event.error.message },
            'mail server is not understood',
          )
          this.#socket.destroy()
          return
        default:
          event satisfies never
      }
    }
    this.#write()
    this.#steer()
  }

  #take(step: Step, answer: boolean): void {
    if (step.kind === 'connect') this.#clientAddress = step.client.family === 'unknown' ? null : step.client.address
    else if (step.kind === 'helo') this.#helo = step.name
    else if (step.kind === 'end-of-message') void this.#judge()
    else {
      if (step.kind === 'mail') this.#drop('abandoned')
      const enough = this.#keep(step)
      if (answer) this.#server.settle(this.#refused ? NO_MEMORY : enough ? { kind: 'skip' } : CONTINUE)
      return
    }
    if (answer && step.kind !== 'end-of-message') this.#server.settle(CONTINUE)
  }

  /** @returns Whether no more of the body is wanted. */
  #keep(step: Step): boolean {
    const builder = this.#builder
    if (builder === null || this.#refused) return false
    if (this.#cut) return true
    const bytes = builder.add(step)
    if (!this.#options.memory.take(bytes)) {
      builder.clear()
      this.#give()
      this.#refused = true
      return false
    }
    this.#held += bytes
    this.#cut = builder.bytes > this.#options.letterBytesMax
    return this.#cut
  }

  async #judge(): Promise<void> {
    const builder = this.#builder
    if (builder === null || this.#refused) {
      this.#server.settle(NO_MEMORY)
      this.#drop('refused')
      return
    }
    this.#busy = true
    const { scan, metrics } = this.#options
    const traceId = this.#server.macro('i')
    const letter = builder.letter({
      clientAddress: this.#clientAddress,
      helo: this.#helo,
      user: this.#server.macro('auth_authen'),
      traceId,
    })
    const stopProgress = this.#progress()
    const evidence = await scan(letter)
    stopProgress()
    this.#busy = false
    metrics.letterBytes.inc(letter.bytes)
    this.#options.logger.info({ trace: traceId, bytes: letter.bytes, evidence: evidence.map(summary) }, 'letter judged')
    // From the last to the first: the numbers of those before stay the same.
    for (let index = builder.count(EVIDENCE_NAME); index > 0; index--) {
      this.#server.edit({ kind: 'change-header', index, name: EVIDENCE_HEADER, value: '' })
    }
    for (const one of evidence)
      this.#server.edit({ kind: 'add-header', name: EVIDENCE_HEADER, value: this.#headerValue(encodeEvidence(one)) })
    this.#server.settle(CONTINUE)
    this.#drop('judged')
    this.#run()
  }

  /** Where the space behind the colon belongs to a value, ours brings it along. */
  #headerValue(text: string): string {
    return ((this.#server.agreement?.steps ?? 0) & STEP.headerLeadingSpace) === 0 ? text : ` ${text}`
  }

  /** Tells the mail server now and then that its letter is being looked at. */
  #progress(): () => void {
    const { clock } = this.#options
    let cancel = clock.after(PROGRESS_EVERY_MS, tell.bind(this))
    function tell(this: FilterConnection): void {
      this.#server.progress()
      this.#write()
      cancel = clock.after(PROGRESS_EVERY_MS, tell.bind(this))
    }
    return () => cancel()
  }

  #drop(ending: 'judged' | 'abandoned' | 'refused'): void {
    const begun = this.#held > 0 || this.#refused
    if (begun) this.#options.metrics.letters.inc({ ending })
    this.#builder?.clear()
    this.#give()
    this.#refused = false
    this.#cut = false
  }

  #give(): void {
    this.#options.memory.give(this.#held)
    this.#held = 0
  }

  #write(): void {
    if (this.#socket.destroyed) return
    for (const bytes of this.#server.takeOutput()) this.#socket.write(bytes)
  }

  /** While a letter is judged, or answers are not taken, the socket is not read. */
  #steer(): void {
    if (this.#closed || this.#socket.destroyed) return
    if (this.#busy || this.#socket.writableNeedDrain) this.#socket.pause()
    else this.#socket.resume()
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#options.metrics.connections.dec()
    this.#drop('abandoned')
  }
}

function summary({ engine, state, findings }: Evidence): string {
  return [`${engine} ${state}`, ...findings.map(({ kind, name }) => `${kind} ${name}`)].join(', ')
}
