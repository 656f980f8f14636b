/**
 * The mail server's end of a milter connection, without a socket: steps of an SMTP session go in, packets come out; packets of the
 * filter go in, verdicts come out.
 *
 * Invariants: every step that is asked for is settled exactly once, in order, also those that the filter does not want to see or
 * that come after its last word; what the filter does was agreed at the beginning; after a failure nothing more is sent. No input
 * makes it throw.
 */
import { assert } from '#lib/errors/assert.ts'
import {
  ABORT,
  decodeNegotiation,
  encodeMacros,
  encodeNegotiation,
  encodeStep,
  type Macros,
  QUIT,
  QUIT_NEW_CONNECTION,
  type Step,
} from '../commands.ts'
import { type Agreement, agree } from '../negotiation.ts'
import { MilterError, type Packet, PacketReader } from '../packets.ts'
import {
  ACTIONS_ALL,
  EDIT_BYTES_MAX,
  EDITS_MAX,
  MACRO_STAGES,
  type MacroStage,
  STEP,
  STEPS,
  STEPS_ALL,
  type StepName,
  VERSION,
} from '../protocol.ts'
import { actionFor, decodeReply, type Edit, editBytes, type FilterMessage, type Verdict } from '../replies.ts'

export interface ClientOptions {
  /** What a filter may do with messages (ACTION). */
  readonly actions: number
  /** Bytes of a new body that are taken; more fails the connection. */
  readonly newBodyBytesMax: number
}

export type ClientEvent =
  | { readonly kind: 'agreed'; readonly agreement: Agreement }
  /** `edits`: in their order, at the end of a message only. */
  | { readonly kind: 'settled'; readonly step: StepName; readonly verdict: Verdict; readonly edits: readonly Edit[] }
  /** The filter says that it is at work: begin its time anew. */
  | { readonly kind: 'progress' }
  /** The filter is not to be talked to any more: close the connection. Steps that are not settled will not be. */
  | { readonly kind: 'failed'; readonly error: MilterError }

interface Asked {
  readonly step: Step
  readonly macros: Macros
}

interface Awaited {
  readonly step: StepName
  /** The message was given up meanwhile: the answer is for nobody. */
  abandoned: boolean
}

type Queued = Asked | 'abort' | 'new-connection'

const CONTINUE: Verdict = { kind: 'continue' }
const NO_EDITS: readonly Edit[] = []
/** All but `rejectedRecipients`: who was refused by us is not told. */
const STEPS_OFFERED = STEPS_ALL & ~STEP.rejectedRecipients

export class MilterClient {
  readonly #options: ClientOptions
  readonly #reader = new PacketReader()
  #output: Buffer[] = []
  readonly #events: ClientEvent[] = []
  readonly #queue: Queued[] = []
  #agreement: Agreement | null = null
  #awaited: Awaited | null = null
  #failed = false
  #connectionVerdict: Verdict | null = null
  #messageVerdict: Verdict | null = null
  #inMessage = false
  #bodySkipped = false
  #edits: Edit[] = []
  #editBytes = 0
  #newBodyBytes = 0

  constructor(options: ClientOptions) {
    this.#options = options
    const actions = options.actions & ACTIONS_ALL
    this.#output.push(encodeNegotiation({ version: VERSION, actions, steps: STEPS_OFFERED, macros: new Map() }))
  }

  /** Null until the filter has answered. */
  get agreement(): Agreement | null {
    return this.#agreement
  }

  /** Steps that are asked and not settled. A host asks for the next piece of a body when this is small. */
  get pendingSteps(): number {
    return this.#queue.length + (this.#awaited === null ? 0 : 1)
  }

  /** What is to be written; it is forgotten here. */
  takeOutput(): readonly Buffer[] {
    const output = this.#output
    this.#output = []
    return output
  }

  /** What has happened since; null: nothing more. */
  next(): ClientEvent | null {
    return this.#events.shift() ?? null
  }

  /** Asks what the filter says to a step. @param macros Facts that come with it; those that the filter did not ask for are left out. */
  ask(step: Step, macros: Macros = []): void {
    this.#put({ step, macros })
  }

  /** The message is over without an end: what was asked about it and is not settled will not be. */
  abort(): void {
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const queued = this.#queue[i]
      if (queued === 'abort' || queued === 'new-connection') break
      this.#queue.length = i
    }
    if (this.#awaited !== null) this.#awaited.abandoned = true
    this.#put('abort')
  }

  /** The client's connection is over; this one serves the next, which begins with `connect`. */
  newConnection(): void {
    assert(this.reusable, 'the filter speaks version 6')
    this.#put('new-connection')
  }

  /** The connection can go on with another client. */
  get reusable(): boolean {
    return !this.#failed && this.#agreement?.version === VERSION
  }

  /** The last word; the host closes the connection when it is written. */
  quit(): void {
    if (!this.#failed) this.#output.push(QUIT)
    this.#failed = true
  }

  /** Takes ownership of `chunk`. */
  push(chunk: Buffer): void {
    if (this.#failed) return
    try {
      this.#reader.push(chunk)
      for (let packet = this.#reader.next(); packet !== null; packet = this.#reader.next()) this.#take(packet)
    } catch (error) {
      if (!(error instanceof MilterError)) throw error
      this.#failed = true
      this.#queue.length = 0
      this.#events.push({ kind: 'failed', error })
    }
  }

  #put(queued: Queued): void {
    if (this.#failed) return
    this.#queue.push(queued)
    this.#send()
  }

  /** Sends what can be sent without waiting for an answer. */
  #send(): void {
    while (this.#agreement !== null && this.#awaited === null) {
      const queued = this.#queue.shift()
      if (queued === undefined) return
      if (queued === 'abort') this.#sendAbort()
      else if (queued === 'new-connection') this.#sendNewConnection()
      else this.#sendStep(queued, this.#agreement)
    }
  }

  #sendAbort(): void {
    // A filter that has said its last word about a message has forgotten it.
    if (this.#inMessage && this.#messageVerdict === null && this.#connectionVerdict === null) this.#output.push(ABORT)
    this.#beginMessage()
    this.#inMessage = false
  }

  #sendNewConnection(): void {
    this.#output.push(QUIT_NEW_CONNECTION)
    this.#beginMessage()
    this.#inMessage = false
    this.#connectionVerdict = null
  }

  #sendStep({ step, macros }: Asked, agreement: Agreement): void {
    if (step.kind === 'mail') this.#beginMessage()
    if (isOfMessage(step.kind)) this.#inMessage = true
    const verdict = this.#connectionVerdict ?? (isOfMessage(step.kind) ? this.#messageVerdict : null)
    const form = STEPS[step.kind]
    if (verdict !== null || (agreement.steps & form.omit) !== 0 || (step.kind === 'body' && this.#bodySkipped)) {
      this.#settle(step.kind, verdict ?? CONTINUE)
      return
    }
    const wanted = wantedMacros(agreement, step.kind, macros)
    if (wanted.length > 0) this.#output.push(encodeMacros(step.kind, wanted))
    this.#output.push(encodeStep(step))
    if ((agreement.steps & form.silent) !== 0) this.#settle(step.kind, CONTINUE)
    else this.#awaited = { step: step.kind, abandoned: false }
  }

  #beginMessage(): void {
    this.#messageVerdict = null
    this.#bodySkipped = false
    this.#edits = []
    this.#editBytes = 0
    this.#newBodyBytes = 0
  }

  #settle(step: StepName, verdict: Verdict): void {
    const edits = step === 'end-of-message' && this.#edits.length > 0 ? this.#edits : NO_EDITS
    this.#events.push({ kind: 'settled', step, verdict, edits })
    if (step === 'end-of-message') {
      this.#beginMessage()
      this.#inMessage = false
    }
  }

  #take(packet: Packet): void {
    const message = decodeReply(packet)
    if (this.#agreement === null) {
      if (message.kind !== 'negotiate')
        throw new MilterError(
          'MILTER_OUT_OF_STEP',
          `Cannot go on: the filter said ${message.kind} before it negotiated`,
        )
      this.#agreement = agree(
        { version: VERSION, actions: this.#options.actions & ACTIONS_ALL, steps: STEPS_OFFERED, macros: new Map() },
        decodeNegotiation(message.data),
      )
      this.#events.push({ kind: 'agreed', agreement: this.#agreement })
    } else this.#takeAnswer(message, this.#agreement)
    this.#send()
  }

  #takeAnswer(message: FilterMessage, agreement: Agreement): void {
    const awaited = this.#awaited
    if (awaited === null || message.kind === 'negotiate') {
      throw new MilterError('MILTER_OUT_OF_STEP', `Cannot go on: the filter said ${message.kind} and was not asked`)
    }
    switch (message.kind) {
      case 'progress':
        if (!awaited.abandoned) this.#events.push({ kind: 'progress' })
        return
      case 'edit':
        this.#takeEdit(message.edit, awaited, agreement)
        return
      case 'shutdown':
        this.#takeVerdict(
          { kind: 'tempfail', reply: { code: 421, lines: ['4.3.2 Closing connection'] } },
          awaited,
          agreement,
          true,
        )
        return
      case 'verdict':
        this.#takeVerdict(message.verdict, awaited, agreement, awaited.step === 'connect' || awaited.step === 'helo')
    }
  }

  #takeEdit(edit: Edit, awaited: Awaited, agreement: Agreement): void {
    if (awaited.step !== 'end-of-message') {
      throw new MilterError(
        'MILTER_OUT_OF_STEP',
        `Cannot ${edit.kind} at ${awaited.step}: changes come at the end of a message`,
      )
    }
    if ((agreement.actions & actionFor(edit)) === 0) {
      throw new MilterError('MILTER_NOT_AGREED', `Cannot ${edit.kind}: the filter did not negotiate it`)
    }
    const body = edit.kind === 'replace-body'
    if (body) this.#newBodyBytes += editBytes(edit)
    else this.#editBytes += editBytes(edit)
    const pieces = body ? Number.POSITIVE_INFINITY : EDITS_MAX
    if (
      this.#edits.length >= pieces ||
      this.#editBytes > EDIT_BYTES_MAX ||
      this.#newBodyBytes > this.#options.newBodyBytesMax
    ) {
      throw new MilterError(
        'MILTER_TOO_MUCH',
        `Cannot take another ${edit.kind}: ${this.#edits.length} changes are kept`,
      )
    }
    this.#edits.push(edit)
  }

  #takeVerdict(verdict: Verdict, awaited: Awaited, agreement: Agreement, ofConnection: boolean): void {
    const { step, abandoned } = awaited
    if (verdict.kind === 'skip' && (step !== 'body' || (agreement.steps & STEP.skip) === 0)) {
      throw new MilterError('MILTER_NOT_AGREED', `Cannot skip at ${step}: the filter did not negotiate it`)
    }
    if (verdict.kind === 'discard' && ofConnection) {
      throw new MilterError('MILTER_OUT_OF_STEP', `Cannot discard at ${step}: there is no message`)
    }
    this.#awaited = null
    if (ofConnection) {
      if (verdict.kind !== 'continue') this.#connectionVerdict = verdict
    } else if (verdict.kind === 'skip') this.#bodySkipped = true
    else if (endsMessage(step, verdict)) this.#messageVerdict = verdict
    if (!abandoned) this.#settle(step, verdict)
    else if (step === 'end-of-message') {
      this.#beginMessage()
      this.#inMessage = false
    }
  }
}

function isOfMessage(step: StepName): boolean {
  return step !== 'connect' && step !== 'helo' && step !== 'unknown'
}

/** A refusal of a recipient or of an unknown command concerns that alone. */
function endsMessage(step: StepName, verdict: Verdict): boolean {
  if (step === 'unknown' || verdict.kind === 'continue') return false
  return step !== 'recipient' || verdict.kind === 'accept' || verdict.kind === 'discard'
}

function wantedMacros(agreement: Agreement, step: StepName, macros: Macros): Macros {
  const names = step in MACRO_STAGES ? agreement.macros.get(step as MacroStage) : undefined
  return names === undefined ? macros : macros.filter(([name]) => names.includes(name))
}
