/**
 * TRANSACTION and UPDATE (RFC 1939 sections 5 and 6) on one maildrop, which the host has locked for this session. Commands
 * are carried out one after another in the order sent, so a client may pipeline them (RFC 2449 section 6.6); their
 * answers never mix. A message is never held whole: it goes out in pieces of READ_BYTES, each after the sink has drained.
 *
 * Invariants: only QUIT removes messages, a lost connection removes none; message numbers and UIDLs are those of the
 * session's beginning until its end; the maildrop is released exactly when the session is over, whatever ended it.
 * Read next: dot-stuffer.ts, top-cutter.ts, ../store.ts (the port), ../login/engine.ts (what came before).
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import { capabilitiesAfterLogin } from '../capabilities.ts'
import { parseCommand, parseNumber, words } from '../command.ts'
import { languageReply } from '../language.ts'
import { COMMAND_ERRORS_MAX, COMMAND_LINE_BYTES_MAX, LISTING_BYTES, READ_BYTES } from '../limits.ts'
import { LineSplitter } from '../line-splitter.ts'
import { err, multiLine, ok } from '../reply.ts'
import type { Maildrop, MaildropMessage } from '../store.ts'
import { DotStuffer } from './dot-stuffer.ts'
import { needsUtf8 } from './needs-utf8.ts'
import type { OutputSink } from './output.ts'
import { TopCutter } from './top-cutter.ts'

export const POP3_ERRORS = {
  POP3_MESSAGE_SHORT: {
    retry: false,
    meaning: 'The store gave fewer bytes of a message than it had promised; the client is cut off.',
  },
} as const satisfies Record<string, ErrorSpec>

/** The store gave fewer bytes than it promised; the client is cut off, because a status line cannot be taken back. */
export class Pop3Error extends CodedError<keyof typeof POP3_ERRORS> {
  override readonly name = 'Pop3Error'
}

export interface SessionOptions {
  /** Name and version for IMPLEMENTATION, without spaces. */
  readonly implementation: string
  /** The client said UTF8 before it logged in (RFC 6856 section 2.1). */
  readonly utf8: boolean
  /** As before login; 0: none. */
  readonly loginDelaySeconds: number
}

/** Fewest and most arguments of each command. */
const ARGUMENTS: ReadonlyMap<string, readonly [least: number, most: number]> = new Map([
  ['CAPA', [0, 0]],
  ['LANG', [0, 1]],
  ['STAT', [0, 0]],
  ['LIST', [0, 1]],
  ['UIDL', [0, 1]],
  ['RETR', [1, 1]],
  ['TOP', [2, 2]],
  ['DELE', [1, 1]],
  ['NOOP', [0, 0]],
  ['RSET', [0, 0]],
  ['QUIT', [0, 0]],
])

/** What LIST or UIDL tells about a message behind its number. */
type Column = (message: MaildropMessage) => string | number
const sizeColumn: Column = (message) => message.sizeBytes
const uidlColumn: Column = (message) => message.uidl

export class Pop3Session {
  readonly #maildrop: Maildrop
  readonly #output: OutputSink
  readonly #options: SessionOptions
  readonly #lines = new LineSplitter(COMMAND_LINE_BYTES_MAX)
  /** Indexes into `maildrop.messages` of what DELE has marked. */
  readonly #deleted = new Set<number>()
  #commandErrors = 0
  #running: Promise<void> | null = null
  #over = false

  constructor(maildrop: Maildrop, output: OutputSink, options: SessionOptions) {
    this.#maildrop = maildrop
    this.#output = output
    this.#options = options
  }

  /** True after QUIT, `end` or a failure: the host sends what was written and ends the connection. */
  get over(): boolean {
    return this.#over
  }

  /**
   * Takes ownership of `chunk` and resolves when every whole command in it is carried out and the sink has drained. The
   * host waits for that before it reads on: this is what bounds the memory of a client that pipelines without end.
   * @throws {Pop3Error} POP3_MESSAGE_SHORT, or whatever store or sink threw; the session is over then.
   */
  receive(chunk: Uint8Array): Promise<void> {
    if (this.#over) return Promise.resolve()
    this.#lines.push(chunk)
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  /** The connection is gone or the shard wants it gone: nothing is removed (RFC 1939 section 6). Safe to call more than once. */
  end(): void {
    this.#over = true
    this.#maildrop.release()
  }

  async #run(): Promise<void> {
    try {
      for (let line = this.#lines.next(); line !== null; line = this.#lines.next()) {
        const reply = line.kind === 'too-long' ? this.#mistake('Line too long') : await this.#answer(line.bytes)
        await this.#write(Buffer.from(reply))
        if (this.#over) return
      }
    } catch (error) {
      this.end()
      throw error
    }
  }

  /** Carries out one command; gives what of its answer is still to be written. */
  #answer(line: Buffer): string | Promise<string> {
    const command = parseCommand(line)
    if (command === null) return this.#mistake('Cannot read this command')
    const counts = ARGUMENTS.get(command.verb)
    if (counts === undefined) return this.#mistake('Unknown command')
    const args = words(command.argument)
    if (args.length < counts[0] || args.length > counts[1]) return this.#mistake('Wrong number of arguments')
    const [number = '', lineCount = ''] = args
    switch (command.verb) {
      case 'CAPA':
        return multiLine('Capability list follows', capabilitiesAfterLogin(this.#options))
      case 'LANG':
        return languageReply(args)
      case 'STAT':
        return this.#stat()
      case 'LIST':
        return number === '' ? this.#listAll('Sizes follow', sizeColumn) : this.#listOne(number, sizeColumn)
      case 'UIDL':
        return number === '' ? this.#listAll('Unique ids follow', uidlColumn) : this.#listOne(number, uidlColumn)
      case 'RETR':
        return this.#send(number, null)
      case 'TOP': {
        const wanted = parseNumber(lineCount)
        return wanted === null
          ? this.#mistake('A number of lines is needed')
          : this.#send(number, new TopCutter(wanted))
      }
      case 'DELE': {
        const found = this.#find(number)
        if (typeof found === 'string') return found
        this.#deleted.add(found.index)
        return ok(`Message ${found.index + 1} will be removed at QUIT`)
      }
      case 'RSET':
        this.#deleted.clear()
        return ok('No message is marked as deleted')
      case 'QUIT':
        return this.#quit()
      default:
        return ok('') // NOOP
    }
  }

  #stat(): string {
    let sizeBytes = 0
    for (const [index, message] of this.#maildrop.messages.entries()) {
      if (!this.#deleted.has(index)) sizeBytes += message.sizeBytes
    }
    return ok(`${this.#maildrop.messages.length - this.#deleted.size} ${sizeBytes}`) // RFC 1939 section 5, STAT: exactly so
  }

  #listOne(number: string, column: Column): string {
    const found = this.#find(number)
    return typeof found === 'string' ? found : ok(`${found.index + 1} ${column(found.message)}`)
  }

  async #listAll(title: string, column: Column): Promise<string> {
    let text = ok(title)
    for (const [index, message] of this.#maildrop.messages.entries()) {
      if (this.#deleted.has(index)) continue
      text += `${index + 1} ${column(message)}\r\n`
      if (text.length < LISTING_BYTES) continue
      await this.#write(Buffer.from(text))
      text = ''
      if (this.#over) return ''
    }
    return `${text}.\r\n`
  }

  /** Once the status line is out, only the whole message or the end of the connection is an honest continuation. */
  async #send(number: string, cutter: TopCutter | null): Promise<string> {
    const found = this.#find(number)
    if (typeof found === 'string') return found
    const message = this.#maildrop.message(found.message.uid)
    if (message === null) return err('This message is no longer there')
    if (!this.#options.utf8 && (await needsUtf8(message))) {
      return err('This message has international addresses: say UTF8 before you log in', 'UTF8') // RFC 6856 section 5
    }
    if (this.#over) return ''
    this.#output.write(Buffer.from(ok(cutter === null ? `${message.sizeBytes} octets` : 'Top of message follows')))
    const stuffer = new DotStuffer()
    let done = false
    for (let offset = 0; offset < message.sizeBytes && !done; ) {
      const read = await message.read(offset, Math.min(READ_BYTES, message.sizeBytes - offset))
      if (this.#over) return ''
      if (read.byteLength === 0) {
        const claim = `Cannot send message ${found.message.uidl}: it ended at ${offset} of ${message.sizeBytes} bytes`
        throw new Pop3Error('POP3_MESSAGE_SHORT', claim)
      }
      offset += read.byteLength
      let piece = Buffer.from(read.buffer, read.byteOffset, read.byteLength)
      if (cutter !== null) ({ bytes: piece, done } = cutter.take(piece))
      await this.#write(stuffer.stuff(piece))
      if (this.#over) return ''
    }
    this.#output.write(stuffer.end())
    return ''
  }

  /** RFC 1939 section 6, UPDATE: the answer comes when the removal is durable, so `+OK` is never taken back. */
  async #quit(): Promise<string> {
    const uids = this.#maildrop.messages.filter((_, index) => this.#deleted.has(index)).map((message) => message.uid)
    try {
      if (uids.length > 0) await this.#maildrop.remove(uids)
    } catch (error) {
      this.#output.write(Buffer.from(err('Some deleted messages were not removed', 'SYS/TEMP')))
      throw error
    }
    this.end()
    return ok('Bye')
  }

  /** The message a client means by a number, or the reply that it means none. */
  #find(number: string): { index: number; message: MaildropMessage } | string {
    const wanted = parseNumber(number)
    if (wanted === null || wanted === 0) return this.#mistake('A message number is needed')
    const message = this.#maildrop.messages[wanted - 1]
    if (message === undefined) return err('No such message')
    if (this.#deleted.has(wanted - 1)) return err('This message is marked as deleted')
    return { index: wanted - 1, message }
  }

  async #write(bytes: Buffer): Promise<void> {
    if (bytes.length > 0 && !this.#output.write(bytes)) await this.#output.drained()
  }

  /** The reply to what the client did wrong; the last one it may do ends the session. */
  #mistake(text: string): string {
    if (++this.#commandErrors < COMMAND_ERRORS_MAX) return err(text)
    this.end()
    return err(text) + err('Too many errors, closing')
  }
}
