/**
 * What a mail server tells a filter: one value per command, as packets and back. Texts are bytes, one character each (latin1);
 * a header's value has LF where the letter has CRLF, as every milter expects.
 */
import { unreachable } from '#lib/errors/assert.ts'
import { MilterError, type Packet, packet, TextReader, texts, u16, u32 } from './packets.ts'
import { MACRO_STAGES, type MacroStage, STEPS, type StepName } from './protocol.ts'

export type ClientAddress =
  | { readonly family: 'inet' | 'inet6'; readonly address: string; readonly port: number }
  | { readonly family: 'unix'; readonly address: string }
  | { readonly family: 'unknown' }

export type Step =
  | { readonly kind: 'connect'; readonly hostname: string; readonly client: ClientAddress }
  | { readonly kind: 'helo'; readonly name: string }
  /** `path` with its angle brackets, `parameters` as the client said them. */
  | { readonly kind: 'mail'; readonly path: string; readonly parameters: readonly string[] }
  | { readonly kind: 'recipient'; readonly path: string; readonly parameters: readonly string[] }
  | { readonly kind: 'data' }
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  | { readonly kind: 'end-of-headers' }
  /** At most BODY_PIECE_BYTES_MAX bytes. */
  | { readonly kind: 'body'; readonly piece: Buffer }
  | { readonly kind: 'end-of-message' }
  /** A command that the server does not know. */
  | { readonly kind: 'unknown'; readonly line: string }

export interface Negotiation {
  readonly version: number
  readonly actions: number
  readonly steps: number
  /** Which macros are wanted at which step; a step that is not named gets what the server likes. */
  readonly macros: ReadonlyMap<MacroStage, readonly string[]>
}

/** Names without braces: `i`, `auth_authen`. */
export type Macros = readonly (readonly [name: string, value: string])[]

export type Command =
  | { readonly kind: 'negotiate'; readonly offer: Negotiation }
  /** Belong to the command that follows. */
  | { readonly kind: 'macros'; readonly step: StepName; readonly macros: Macros }
  /** `before`: the last piece of the body, which an end of message may carry. */
  | { readonly kind: 'step'; readonly step: Step; readonly before: Step | null }
  /** The message is over without an end. */
  | { readonly kind: 'abort' }
  | { readonly kind: 'quit' }
  /** The connection of the client is over, this one serves the next. */
  | { readonly kind: 'quit-new-connection' }

const LETTER_OF_FAMILY = { inet: '4', inet6: '6', unix: 'L', unknown: 'U' } as const

export function encodeStep(step: Step): Buffer {
  const { letter } = STEPS[step.kind]
  switch (step.kind) {
    case 'connect': {
      const { client } = step
      const family = LETTER_OF_FAMILY[client.family]
      if (client.family === 'unknown') return packet(letter, texts(step.hostname), family)
      const port = u16(client.family === 'unix' ? 0 : client.port)
      return packet(letter, texts(step.hostname), family, port, texts(client.address))
    }
    case 'helo':
      return packet(letter, texts(step.name))
    case 'mail':
    case 'recipient':
      return packet(letter, texts(step.path, ...step.parameters))
    case 'header':
      return packet(letter, texts(step.name, step.value))
    case 'body':
      return packet(letter, step.piece)
    case 'unknown':
      return packet(letter, texts(step.line))
    case 'data':
    case 'end-of-headers':
    case 'end-of-message':
      return packet(letter)
    default:
      return unreachable(step)
  }
}

export function encodeMacros(step: StepName, macros: Macros): Buffer {
  return packet('D', STEPS[step].letter, texts(...macros.flatMap(([name, value]) => [braced(name), value])))
}

export function encodeNegotiation({ version, actions, steps, macros }: Negotiation): Buffer {
  const wanted = [...macros].flatMap(([stage, names]) => [u32(MACRO_STAGES[stage]), texts(names.map(braced).join(' '))])
  return packet('O', u32(version), u32(actions), u32(steps), ...wanted)
}

/** Sendmail's way to write the name of a macro: one character as it is, more in braces. */
const braced = (name: string) => (name.length > 1 ? `{${name}}` : name)
const bare = (name: string) => /^\{(.*)\}$/.exec(name)?.[1] ?? name

export const ABORT = packet('A')
export const QUIT = packet('Q')
export const QUIT_NEW_CONNECTION = packet('K')

const STEP_OF_LETTER = new Map((Object.keys(STEPS) as StepName[]).map((name) => [STEPS[name].letter, name]))
const STAGE_OF_NUMBER = new Map(
  (Object.keys(MACRO_STAGES) as MacroStage[]).map((name) => [MACRO_STAGES[name] as number, name]),
)

/** @throws {MilterError} MILTER_MALFORMED */
export function decodeNegotiation(data: Buffer): Negotiation {
  const reader = new TextReader(data)
  const [version, actions, steps] = [reader.u32(), reader.u32(), reader.u32()]
  const macros = new Map<MacroStage, readonly string[]>()
  while (!reader.atEnd) {
    const stage = STAGE_OF_NUMBER.get(reader.u32())
    const names = reader.text().split(/[ ,]+/).filter(Boolean).map(bare)
    if (stage !== undefined) macros.set(stage, names)
  }
  return { version, actions, steps, macros }
}

/** @throws {MilterError} MILTER_MALFORMED */
export function decodeCommand({ letter, data }: Packet): Command {
  switch (letter) {
    case 'O':
      return { kind: 'negotiate', offer: decodeNegotiation(data) }
    case 'D':
      return decodeMacros(data)
    case 'A':
      return { kind: 'abort' }
    case 'Q':
      return { kind: 'quit' }
    case 'K':
      return { kind: 'quit-new-connection' }
    default: {
      const name = STEP_OF_LETTER.get(letter)
      if (name === undefined) {
        throw new MilterError('MILTER_MALFORMED', `Cannot understand command ${JSON.stringify(letter)}`)
      }
      const before: Step | null = name === 'end-of-message' && data.length > 0 ? { kind: 'body', piece: data } : null
      return { kind: 'step', step: decodeStep(name, data), before }
    }
  }
}

function decodeMacros(data: Buffer): Command {
  const reader = new TextReader(data)
  const step = STEP_OF_LETTER.get(reader.character())
  if (step === undefined) throw new MilterError('MILTER_MALFORMED', 'Cannot tell to which command macros belong')
  const values = reader.texts()
  if (values.length % 2 !== 0) throw new MilterError('MILTER_MALFORMED', 'Cannot use a macro without a value')
  const macros: (readonly [string, string])[] = []
  for (let i = 0; i + 1 < values.length; i += 2) macros.push([bare(values[i] ?? ''), values[i + 1] ?? ''])
  return { kind: 'macros', step, macros }
}

function decodeStep(kind: StepName, data: Buffer): Step {
  const reader = new TextReader(data)
  switch (kind) {
    case 'connect':
      return { kind, hostname: reader.text(), client: decodeClient(reader) }
    case 'helo':
      return { kind, name: reader.text() }
    case 'mail':
    case 'recipient': {
      const path = reader.text()
      return { kind, path, parameters: reader.texts() }
    }
    case 'header': {
      const name = reader.text()
      return { kind, name, value: reader.text() }
    }
    case 'body':
      return { kind, piece: data }
    case 'unknown':
      return { kind, line: reader.text() }
    case 'data':
    case 'end-of-headers':
    case 'end-of-message':
      return { kind }
    default:
      return unreachable(kind)
  }
}

function decodeClient(reader: TextReader): ClientAddress {
  const family = reader.character()
  if (family === 'U') return { family: 'unknown' }
  const port = reader.u16()
  const address = reader.text()
  switch (family) {
    case '4':
      return { family: 'inet', address, port }
    case '6':
      return { family: 'inet6', address, port }
    case 'L':
      return { family: 'unix', address }
    default:
      throw new MilterError('MILTER_MALFORMED', `Cannot understand address family ${JSON.stringify(family)}`)
  }
}
