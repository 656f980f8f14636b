/**
 * The filter's end of a milter connection, without a socket: packets of a mail server go in, steps of its SMTP session come out;
 * verdicts and changes go in, packets come out.
 *
 * Invariants: while an answer is awaited nothing further is read; changes are said at the end of a message only and as agreed; a
 * message begins with nothing kept of the one before. No input makes it throw.
 */
import { assert } from '#lib/errors/assert.ts'
import {
  type Command,
  decodeCommand,
  encodeNegotiation,
  type Macros,
  type Negotiation,
  type Step,
} from '../commands.ts'
import { type Agreement, answerOffer } from '../negotiation.ts'
import { MilterError, PacketReader } from '../packets.ts'
import { MACRO_BYTES_MAX, STEP, STEPS, type StepName } from '../protocol.ts'
import { actionFor, type Edit, encodeEdit, encodeVerdict, PROGRESS, type Verdict } from '../replies.ts'

export type ServerOptions = Omit<Negotiation, 'version'>

export type ServerEvent =
  | { readonly kind: 'agreed'; readonly agreement: Agreement }
  /** `answer`: `settle` is awaited, else there is nothing to say. */
  | { readonly kind: 'step'; readonly step: Step; readonly answer: boolean }
  /** The message is over without an end: forget it. */
  | { readonly kind: 'abort' }
  /** The next step belongs to another client. */
  | { readonly kind: 'new-connection' }
  /** Close the connection. */
  | { readonly kind: 'quit' }
  | { readonly kind: 'failed'; readonly error: MilterError }

/** How far a message has come: a step may repeat or come later, never earlier. */
const RANK: Readonly<Record<StepName, number>> = {
  connect: 0,
  helo: 0,
  unknown: 0,
  mail: 1,
  recipient: 2,
  data: 3,
  header: 4,
  'end-of-headers': 5,
  body: 6,
  'end-of-message': 7,
}

export class MilterServer {
  readonly #options: ServerOptions
  readonly #reader = new PacketReader()
  #output: Buffer[] = []
  #agreement: Agreement | null = null
  #asked: StepName | null = null
  #closed = false
  #rank = 0
  /** To be told next. */
  #following: Step[] = []
  /** Came last: they belong to the step that follows. */
  #freshMacros: Macros = []
  readonly #connectionMacros = new Map<string, string>()
  readonly #messageMacros = new Map<string, string>()
  #macroBytes = 0

  constructor(options: ServerOptions) {
    this.#options = options
  }

  get agreement(): Agreement | null {
    return this.#agreement
  }

  /** Input that waits for an answer: a host stops reading its socket when it is more than a packet. */
  get pendingBytes(): number {
    return this.#reader.pendingBytes
  }

  /** A macro by its name, without braces: `i`, `auth_authen`; null: not told. */
  macro(name: string): string | null {
    return this.#messageMacros.get(name) ?? this.#connectionMacros.get(name) ?? null
  }

  /** What is to be written; it is forgotten here. */
  takeOutput(): readonly Buffer[] {
    const output = this.#output
    this.#output = []
    return output
  }

  /** Takes ownership of `chunk`. */
  push(chunk: Buffer): void {
    if (!this.#closed) this.#reader.push(chunk)
  }

  /** Goes on with the input. @returns null: there is none, or an answer is awaited. */
  next(): ServerEvent | null {
    try {
      while (!this.#closed && this.#asked === null) {
        const following = this.#following.shift()
        if (following !== undefined) return this.#tell(following)
        const packet = this.#reader.next()
        if (packet === null) return null
        const event = this.#take(decodeCommand(packet))
        if (event !== null) return event
      }
      return null
    } catch (error) {
      if (!(error instanceof MilterError)) throw error
      this.#closed = true
      return { kind: 'failed', error }
    }
  }

  /** Answers a step. SKIP where it was not agreed is CONTINUE: the server goes on to send what need not be looked at. */
  settle(verdict: Verdict): void {
    if (this.#closed) return
    const step = this.#asked
    assert(step !== null, 'an answer is awaited')
    this.#asked = null
    const maySkip = step === 'body' && ((this.#agreement?.steps ?? 0) & STEP.skip) !== 0
    this.#output.push(encodeVerdict(verdict.kind === 'skip' && !maySkip ? { kind: 'continue' } : verdict))
    const last = verdict.kind !== 'continue' && verdict.kind !== 'skip'
    const alone = step === 'recipient' && (verdict.kind === 'reject' || verdict.kind === 'tempfail')
    if (step === 'end-of-message' || (last && RANK[step] > 0 && !alone)) this.#endMessage()
  }

  /** A change to the message, before its end is settled. */
  edit(edit: Edit): void {
    if (this.#closed) return
    assert(this.#asked === 'end-of-message', 'changes come at the end of a message')
    assert(((this.#agreement?.actions ?? 0) & actionFor(edit)) !== 0, `${edit.kind} is agreed`)
    this.#output.push(encodeEdit(edit))
  }

  /** Still at work on what was asked: the server begins to wait anew. */
  progress(): void {
    if (!this.#closed && this.#asked !== null) this.#output.push(PROGRESS)
  }

  #take(command: Command): ServerEvent | null {
    if (command.kind === 'negotiate') return this.#negotiate(command.offer)
    if (command.kind === 'quit') {
      this.#closed = true
      return { kind: 'quit' }
    }
    if (this.#agreement === null) {
      throw new MilterError('MILTER_OUT_OF_STEP', `Cannot take ${command.kind}: nothing is agreed yet`)
    }
    switch (command.kind) {
      case 'macros':
        this.#freshMacros = command.macros
        return null
      case 'abort':
        this.#endMessage()
        return { kind: 'abort' }
      case 'quit-new-connection':
        this.#endMessage()
        this.#forget(this.#connectionMacros)
        return { kind: 'new-connection' }
      case 'step':
        return this.#begin(command.before === null ? [command.step] : [command.before, command.step])
    }
  }

  #negotiate(offer: Negotiation): ServerEvent {
    if (this.#agreement !== null) throw new MilterError('MILTER_OUT_OF_STEP', 'Cannot negotiate twice')
    this.#agreement = answerOffer(offer, this.#options)
    this.#output.push(encodeNegotiation(this.#agreement))
    return { kind: 'agreed', agreement: this.#agreement }
  }

  /** A client that says HELO or MAIL anew has given its message up, and not every server tells so. */
  #begin(steps: Step[]): ServerEvent | null {
    const [first] = steps
    const rank = first === undefined || first.kind === 'unknown' ? this.#rank : RANK[first.kind]
    if (rank < this.#rank || (first?.kind === 'mail' && this.#rank === RANK.mail)) {
      if (rank > RANK.mail) {
        throw new MilterError('MILTER_OUT_OF_STEP', `Cannot take ${first?.kind} at this point of a message`)
      }
      this.#endMessage()
      this.#following = steps
      return { kind: 'abort' }
    }
    this.#following = steps
    return null
  }

  #tell(step: Step): ServerEvent {
    this.#keepMacros(step.kind)
    if (step.kind !== 'unknown') this.#rank = RANK[step.kind]
    // A last piece comes with the end of its message, which alone is answered.
    const [next] = this.#following
    const answer = next === undefined && ((this.#agreement?.steps ?? 0) & STEPS[step.kind].silent) === 0
    if (answer) this.#asked = step.kind
    return { kind: 'step', step, answer }
  }

  #endMessage(): void {
    this.#rank = 0
    this.#following = []
    this.#forget(this.#messageMacros)
  }

  #forget(macros: Map<string, string>): void {
    for (const [name, value] of macros) this.#macroBytes -= name.length + value.length
    macros.clear()
  }

  #keepMacros(step: StepName): void {
    const kept = RANK[step] === 0 ? this.#connectionMacros : this.#messageMacros
    for (const [name, value] of this.#freshMacros) {
      const before = kept.get(name)
      this.#macroBytes += value.length - (before?.length ?? -name.length)
      if (this.#macroBytes > MACRO_BYTES_MAX) {
        throw new MilterError(
          'MILTER_TOO_MUCH',
          `Cannot keep macro ${JSON.stringify(name)}: ${MACRO_BYTES_MAX} bytes are the most`,
        )
      }
      kept.set(name, value)
    }
    this.#freshMacros = []
  }
}
