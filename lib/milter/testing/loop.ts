/** A mail server's end and a filter's end joined in memory; the filter answers as it is told, the bytes are cut as it is told. */
import { type ClientEvent, MilterClient } from '../client/client.ts'
import type { Macros, Step } from '../commands.ts'
import { ACTIONS_ALL } from '../protocol.ts'
import type { Edit, Verdict } from '../replies.ts'
import { MilterServer, type ServerEvent, type ServerOptions } from '../server/server.ts'

export interface FilterAnswer {
  readonly verdict: Verdict
  readonly edits?: readonly Edit[]
}

export interface LoopOptions {
  readonly filter?: Partial<ServerOptions>
  readonly actions?: number
  readonly newBodyBytesMax?: number
  /** What the filter says to a step. */
  readonly answer?: (step: Step, server: MilterServer) => FilterAnswer
  /** How many bytes of a write arrive next. */
  readonly cut?: (bytes: number) => number
}

export class Loop {
  readonly client: MilterClient
  readonly server: MilterServer
  /** What the filter was told. */
  readonly seen: ServerEvent[] = []
  /** What the mail server was told. */
  readonly said: ClientEvent[] = []
  readonly #options: LoopOptions

  constructor(options: LoopOptions = {}) {
    this.#options = options
    this.client = new MilterClient({
      actions: options.actions ?? ACTIONS_ALL,
      newBodyBytesMax: options.newBodyBytesMax ?? 1000,
    })
    this.server = new MilterServer({
      actions: options.filter?.actions ?? 0,
      steps: options.filter?.steps ?? 0,
      macros: options.filter?.macros ?? new Map(),
    })
    this.run()
  }

  ask(step: Step, macros: Macros = []): void {
    this.client.ask(step, macros)
    this.run()
  }

  /** Until nothing moves any more. */
  run(): void {
    for (let moved = true; moved; ) {
      const there = this.#pieces(this.client.takeOutput())
      for (const piece of there) this.server.push(piece)
      const events = this.#serve()
      const back = this.#pieces(this.server.takeOutput())
      for (const piece of back) this.client.push(piece)
      for (let event = this.client.next(); event !== null; event = this.client.next()) this.said.push(event)
      moved = there.length > 0 || events > 0 || back.length > 0
    }
  }

  #serve(): number {
    let events = 0
    for (let event = this.server.next(); event !== null; event = this.server.next()) {
      events++
      this.seen.push(event)
      if (event.kind !== 'step' || !event.answer) continue
      const { verdict, edits = [] } = this.#options.answer?.(event.step, this.server) ?? {
        verdict: { kind: 'continue' },
      }
      if (event.step.kind === 'end-of-message') for (const edit of edits) this.server.edit(edit)
      this.server.settle(verdict)
    }
    return events
  }

  #pieces(output: readonly Buffer[]): Buffer[] {
    const cut = this.#options.cut
    if (cut === undefined) return output.map((bytes) => Buffer.from(bytes))
    const all = Buffer.concat(output)
    const pieces: Buffer[] = []
    for (let at = 0; at < all.length; ) {
      const end = at + Math.max(1, cut(all.length - at))
      pieces.push(Buffer.from(all.subarray(at, end)))
      at = end
    }
    return pieces
  }
}

/** `header Subject: a`, as a person can read it. */
export function stepText(step: Step): string {
  switch (step.kind) {
    case 'connect':
      return `connect ${step.hostname} ${step.client.family === 'unknown' ? 'unknown' : step.client.address}`
    case 'helo':
      return `helo ${step.name}`
    case 'mail':
    case 'recipient':
      return [step.kind, step.path, ...step.parameters].join(' ')
    case 'header':
      return `header ${step.name}:${step.value}`
    case 'body':
      return `body ${step.piece.toString('latin1')}`
    case 'unknown':
      return `unknown ${step.line}`
    default:
      return step.kind
  }
}

export function seenText(event: ServerEvent): string {
  if (event.kind === 'step') return `${stepText(event.step)}${event.answer ? '' : ' (no answer)'}`
  return event.kind === 'failed' ? `failed ${event.error.code}` : event.kind
}

export function saidText(event: ClientEvent): string {
  if (event.kind === 'settled') {
    return [event.step, event.verdict.kind, ...event.edits.map((edit) => edit.kind)].join(' ')
  }
  return event.kind === 'failed' ? `failed ${event.error.code}` : event.kind
}

export const STEPS_OF_A_LETTER: readonly Step[] = [
  { kind: 'connect', hostname: 'mail.example.net', client: { family: 'inet', address: '192.0.2.1', port: 4711 } },
  { kind: 'helo', name: 'mail.example.net' },
  { kind: 'mail', path: '<ben@example.net>', parameters: ['SIZE=20'] },
  { kind: 'recipient', path: '<anna@example.test>', parameters: [] },
  { kind: 'recipient', path: '<bert@example.test>', parameters: [] },
  { kind: 'data' },
  { kind: 'header', name: 'Subject', value: ' a\n b' },
  { kind: 'header', name: 'From', value: ' ben@example.net' },
  { kind: 'end-of-headers' },
  { kind: 'body', piece: Buffer.from('one') },
  { kind: 'body', piece: Buffer.from('two') },
  { kind: 'end-of-message' },
]
