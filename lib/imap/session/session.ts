/**
 * An IMAP session after login (RFC 9051 sections 3.2 and 3.3): one loop that takes commands in order, carries each out, tells what changed
 * in the mailbox and answers. Input and output belong to the host.
 *
 * Invariants: one command at a time, answers in order; whatever the client sends, the session answers, ends by BYE or is
 * ended, and nothing is thrown at the host; memory is bounded by limits.ts as long as the host awaits `receive()`.
 */
import { CodedError } from '#lib/errors/coded-error.ts'
import {
  ARGUMENT_LITERAL_BYTES_MAX,
  LITERALS_MAX,
  SESSION_BAD_COMMANDS_MAX,
  SESSION_LINE_BYTES_MAX,
  SESSION_SKIP_BYTES_MAX,
} from '../limits.ts'
import { responseText } from '../response/strings.ts'
import type { ImapAccount } from '../store.ts'
import { type CommandPart, CommandReader, type RawCommand, type ReaderEvent } from '../syntax/command-reader.ts'
import { ImapSyntaxError, uidRequired } from '../syntax/syntax-error.ts'
import { Tokens } from '../syntax/tokens.ts'
import { SESSION_COMMANDS } from './commands/table.ts'
import { CompressError, Compression, STREAM_END } from './compress/compression.ts'
import { type CompressionStart, SessionContext, type SessionOptions } from './context.ts'
import { Doorbell } from './doorbell.ts'
import type { SessionEnd, SessionHost } from './host.ts'
import { bad, no, type Outcome, outcomeText } from './outcome.ts'
import { Output } from './output.ts'

/** Commands that name or answer sequence numbers; each has a form with UID. */
const BY_SEQUENCE: ReadonlySet<string> = new Set([
  'COPY',
  'FETCH',
  'MOVE',
  'REPLACE',
  'SEARCH',
  'SORT',
  'STORE',
  'THREAD',
])

/** After these a client hears what is new in its mailbox whatever NOTIFY says: it asked. */
const ASKS_FOR_NEWS: ReadonlySet<string> = new Set(['NOOP', 'CHECK'])

/** Commands whose literals may be as large as a letter. */
const BRINGS_LETTERS: ReadonlySet<string> = new Set(['APPEND', 'REPLACE', 'UID REPLACE'])

export class ImapSession {
  readonly #host: SessionHost
  readonly #reader: CommandReader
  readonly #out: Output
  readonly #context: SessionContext
  readonly #bell = new Doorbell()
  #waitingForHunger: (() => void)[] = []
  #gone = false
  #byeReason: string | null = null
  #ended = false
  #badCommands = 0
  #compression: Compression | null = null
  /** What compresses once COMPRESS has been answered. */
  #nextCompression: Compression | null = null
  /** Name of the command in progress, or of the last one. */
  #running = ''

  constructor(account: ImapAccount, host: SessionHost, options: SessionOptions = {}) {
    this.#host = host
    this.#out = new Output({
      write: (bytes) => host.write(this.#compression === null ? bytes : this.#compression.pack(bytes)),
      drained: () => host.drained(),
    })
    this.#reader = new CommandReader({
      lineBytesMax: SESSION_LINE_BYTES_MAX,
      literalsMax: LITERALS_MAX,
      nonSyncBytesMax: Number.POSITIVE_INFINITY,
      skipBytesMax: SESSION_SKIP_BYTES_MAX,
      literalBytesMax: (name) => ARGUMENT_LITERAL_BYTES_MAX + (BRINGS_LETTERS.has(name) ? account.appendLimitBytes : 0),
    })
    const session = this
    this.#context = new SessionContext(account, host, this.#out, options, {
      nextLine: (bytesMax) => this.#reader.nextLine(bytesMax),
      wait: () => this.#wait(),
      get ending() {
        return session.#ending
      },
      wake: () => this.#bell.ring(),
      beginCompression: () => this.#beginCompression(),
      bye: (reason) => this.close(reason),
    })
  }

  /** Runs the session to its end; resolves when everything was written and the mailbox is closed. Never rejects. Call once. */
  async run(): Promise<SessionEnd> {
    let end: SessionEnd
    try {
      end = await this.#loop()
    } catch (error) {
      this.#host.report(error, { command: this.#running, fatal: true })
      if (!this.#out.insideLiteral) this.#out.untagged('BYE Internal error, please connect again')
      end = { kind: 'failed', error }
    }
    this.#ended = true
    this.#reader.clear()
    this.#context.unselect()
    this.#context.endNotify()
    this.#out.flush()
    this.#endCompression()
    this.#feedMe()
    return end
  }

  /**
   * @param bytes From the client; kept, not copied: the caller must not reuse them.
   * @returns Resolves when the session wants more. The host reads the network no further until then.
   */
  receive(bytes: Uint8Array): Promise<void> {
    return this.#compression === null ? this.#receive(bytes) : this.#receivePacked(this.#compression, bytes)
  }

  async #receivePacked(compression: Compression, bytes: Uint8Array): Promise<void> {
    try {
      for await (const piece of compression.unpack(bytes)) {
        if (this.#ended || this.#gone) return
        await this.#receive(piece)
      }
    } catch (error) {
      if (!(error instanceof CompressError)) throw error
      if (!this.#ended) this.close(error.message)
    }
  }

  #receive(bytes: Uint8Array): Promise<void> {
    if (this.#ended || this.#gone) return Promise.resolve()
    this.#reader.push(bytes)
    this.#bell.ring()
    return new Promise((resolve) => this.#waitingForHunger.push(resolve))
  }

  /** The client is gone: the session stops at the next safe point and writes nothing more. */
  end(): void {
    this.#gone = true
    this.#out.abandon()
    this.#bell.ring()
  }

  /** Ends the session with BYE after the command in progress. @param reason One line for the user. */
  close(reason: string): void {
    this.#byeReason ??= reason
    this.#bell.ring()
  }

  get #ending(): boolean {
    return this.#gone || this.#byeReason !== null
  }

  async #loop(): Promise<SessionEnd> {
    for (;;) {
      if (this.#gone) return { kind: 'gone' }
      if (this.#byeReason !== null) {
        this.#out.untagged(`BYE ${responseText(this.#byeReason)}`)
        return { kind: 'bye', reason: this.#byeReason }
      }
      const event = this.#reader.next()
      if (event === null) {
        await this.#context.tellUnasked()
        await this.#wait()
        continue
      }
      await this.#take(event)
      await this.#out.ready()
      if (this.#context.loggedOut) return { kind: 'logout' }
    }
  }

  /** Everything said is on its way, and the next thing comes from outside. */
  async #wait(): Promise<void> {
    this.#out.flush()
    await this.#out.ready()
    if (!this.#bell.rung) this.#feedMe() // else something came in the meantime that may be input
    await this.#bell.wait()
  }

  #feedMe(): void {
    const waiting = this.#waitingForHunger
    if (waiting.length === 0) return
    this.#waitingForHunger = []
    for (const resolve of waiting) resolve()
  }

  async #take(event: ReaderEvent): Promise<void> {
    switch (event.kind) {
      case 'command':
        return this.#execute(event.command)
      case 'literal': {
        const refusal = this.#refusedEarly(event.name, this.#tokens(event.parts))
        if (refusal === null) this.#out.write('+ Ready for literal data\r\n')
        else {
          this.#reader.abandon()
          this.#answer(event.tag, refusal)
        }
        return
      }
      case 'refused': {
        const tooBig = event.reason === 'literal-too-large' && BRINGS_LETTERS.has(event.name)
        const limit = this.#context.account.appendLimitBytes
        // RFC 7889 section 4: an APPEND above the limit is refused with TOOBIG.
        const outcome = tooBig ? no('TOOBIG', `Message is larger than ${limit} bytes`) : bad(event.text)
        this.#answer(event.tag ?? '*', outcome)
        return
      }
      case 'fatal':
        this.close(event.text)
        return
      default:
        event satisfies never
    }
  }

  #tokens(parts: readonly CommandPart[]): Tokens {
    return new Tokens(parts, this.#context.dialect.utf8)
  }

  #refusedEarly(name: string, args: Tokens): Outcome | null {
    try {
      return SESSION_COMMANDS.get(name)?.refuseEarly?.(args, this.#context) ?? null
    } catch (error) {
      if (error instanceof ImapSyntaxError) return null // told when the command is complete
      throw error
    }
  }

  async #execute(command: RawCommand): Promise<void> {
    this.#running = command.name
    this.#context.tag = command.tag
    const outcome = await this.#outcome(command)
    const expunges = SESSION_COMMANDS.get(command.name)?.expunges ?? false
    const asked = outcome.expunged === true || ASKS_FOR_NEWS.has(command.name)
    if (!this.#ending) await this.#context.tellNews(expunges, asked)
    this.#answer(command.tag, outcome.expunged === true ? this.#withHighestModSeq(outcome) : outcome)
    if (this.#nextCompression === null) return
    this.#out.flush()
    this.#compression = this.#nextCompression
    this.#nextCompression = null
  }

  #beginCompression(): CompressionStart {
    if (this.#compression !== null) return 'active'
    if (this.#reader.hasMore) return 'pipelined'
    if (!this.#host.compression.take()) return 'full'
    this.#nextCompression = new Compression()
    return 'begun'
  }

  /** The end of the compressed stream tells client and edge that nothing was lost. */
  #endCompression(): void {
    const compression = this.#compression ?? this.#nextCompression
    if (compression === null) return
    if (!this.#gone && this.#compression !== null) this.#host.write(STREAM_END)
    this.#compression = null
    this.#nextCompression = null
    compression.close()
    this.#host.compression.free()
  }

  #withHighestModSeq(outcome: Outcome): Outcome {
    const { selected, dialect } = this.#context
    if (selected === null || !dialect.qresync) return outcome
    return { ...outcome, code: `HIGHESTMODSEQ ${selected.view.modSeq}` }
  }

  async #outcome(command: RawCommand): Promise<Outcome> {
    const spec = SESSION_COMMANDS.get(command.name)
    if (spec === undefined) {
      const beforeLogin = command.name === 'LOGIN' || command.name === 'AUTHENTICATE' || command.name === 'STARTTLS'
      return bad(beforeLogin ? 'Logged in already' : `${command.name} is unknown`)
    }
    if (this.#context.dialect.uidOnly && BY_SEQUENCE.has(command.name)) return syntaxOutcome(uidRequired())
    if (spec.state === 'selected' && this.#context.selected === null) return bad('Select a mailbox first')
    try {
      const run = spec.prepare(this.#tokens(command.parts))
      return await run(this.#context)
    } catch (error) {
      if (error instanceof ImapSyntaxError) return syntaxOutcome(error)
      if (!(error instanceof CodedError) || this.#out.insideLiteral) throw error
      return this.#refused(error, command.name)
    }
  }

  /** A failure of the store: NO with its response code (RFC 5530). */
  #refused(error: CodedError, command: string): Outcome {
    const detail = error.details['imap']
    const code = typeof detail === 'string' ? detail : this.#host.responseCode(error)
    if (code !== undefined) return no(code === '' ? null : code, error.message)
    this.#host.report(error, { command, fatal: false })
    return no('SERVERBUG', 'Internal error')
  }

  #answer(tag: string, outcome: Outcome): void {
    this.#out.write(`${tag} ${outcomeText(outcome)}\r\n`)
    if (outcome.status !== 'BAD') this.#badCommands = 0
    else if (++this.#badCommands >= SESSION_BAD_COMMANDS_MAX) this.close('Too many bad commands')
  }
}

function syntaxOutcome(error: ImapSyntaxError): Outcome {
  const detail = error.details['imap']
  const code = typeof detail === 'string' ? detail : null
  return error.code === 'IMAP_SYNTAX' ? { ...bad(error.message), code } : no(code, error.message)
}
