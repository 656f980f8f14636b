/**
 * One message that SEARCH looks at: facts at hand, header and body read when a key asks, each once. Bodies are decoded as they
 * are read, for all texts of the search together.
 */
import { decodeWords, Headers, type MimePart, PartTextDecoder } from '#lib/mime/mod.ts'
import type { MessageFacts } from '../../store.ts'
import type { SessionContext } from '../context.ts'
import { MessageReader } from '../message-reader.ts'
import { fold, TextFinder } from './fold.ts'

export class Candidate {
  readonly facts: MessageFacts
  readonly #session: SessionContext
  /** All folded texts that any BODY or TEXT key looks for. */
  readonly #texts: ReadonlySet<string>
  #reader: MessageReader | null | undefined
  #headers: Headers | null | undefined
  #headerText: string | null = null
  #inBody: ReadonlySet<string> | null = null

  constructor(facts: MessageFacts, session: SessionContext, texts: ReadonlySet<string>) {
    this.facts = facts
    this.#session = session
    this.#texts = texts
  }

  get sequence(): number {
    return this.#session.mailbox.sequenceOf(this.facts.uid)
  }

  get recent(): boolean {
    return this.#session.mailbox.isRecent(this.facts.uid)
  }

  /** Null if the bytes are gone: then no text matches. */
  async headers(): Promise<Headers | null> {
    this.#headers = this.knownHeaders()
    if (this.#headers === undefined) {
      const reader = this.#open()
      this.#headers = reader === null ? null : (await reader.header()).headers
    }
    return this.#headers
  }

  /** The header, if nothing has to be read for it: a search through a mailbox that was listed before does without. */
  knownHeaders(): Headers | null | undefined {
    if (this.#headers !== undefined) return this.#headers
    const { host } = this.#session
    this.#headers = host.headers.get(this.#session.structureKey(this.facts.emailId))?.headers
    return this.#headers
  }

  /** Whether the header holds `text`, which is folded. */
  async headerHas(text: string): Promise<boolean> {
    if (this.#headerText === null) {
      const headers = await this.headers()
      this.#headerText = headers === null ? '' : fold(headerText(headers))
    }
    return this.#headerText.includes(text)
  }

  /** Whether a text part, or the header of an enclosed message, holds `text`, which is folded. */
  async bodyHas(text: string): Promise<boolean> {
    this.#inBody ??= await this.#searchBody()
    return this.#inBody.has(text)
  }

  #open(): MessageReader | null {
    if (this.#reader === undefined) {
      const bytes = this.#session.mailbox.store.message(this.facts.uid)
      const key = this.#session.structureKey(this.facts.emailId)
      this.#reader = bytes === null ? null : new MessageReader(bytes, key, this.#session.host)
    }
    return this.#reader
  }

  async #searchBody(): Promise<ReadonlySet<string>> {
    const finder = new TextFinder(this.#texts)
    const reader = this.#open()
    if (reader === null) return finder.found
    const waiting: MimePart[] = [(await reader.structure()).root]
    for (let part = waiting.pop(); part !== undefined && !finder.done; part = waiting.pop()) {
      if (part.kind === 'multipart') waiting.push(...part.parts.toReversed())
      else if (part.kind === 'message') {
        finder.push(headerText(new Headers(await reader.partHeader(part.message.root))))
        waiting.push(part.message.root)
      } else if (part.type === 'text') await searchText(part, reader, finder)
      finder.cut()
    }
    return finder.found
  }
}

async function searchText(part: MimePart, reader: MessageReader, finder: TextFinder): Promise<void> {
  const decoder = new PartTextDecoder(part)
  for await (const chunk of reader.chunks({ start: part.headerEnd, end: part.bodyEnd })) {
    finder.push(decoder.push(chunk))
    if (finder.done) return
  }
  finder.push(decoder.finish())
}

/** A header as a person reads it, one field a line. */
function headerText(headers: Headers): string {
  return headers.fields.map((field) => `${field.name}: ${decodeWords(headers.value(field))}`).join('\n')
}
