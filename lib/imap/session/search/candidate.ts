/**
 * One message that SEARCH looks at: facts at hand, header and body read when a key asks, each once. Bodies are decoded as they
 * are read, for all texts of the search together.
 */
import { Headers, type MimePart, PartTextDecoder } from '#lib/mime/mod.ts'
import { FETCH_CHUNK_BYTES } from '../../limits.ts'
import type { MessageFacts } from '../../store.ts'
import type { SessionHost } from '../host.ts'
import { MessageReader } from '../message-reader.ts'
import type { SelectedMailbox } from '../selected-mailbox.ts'
import { fold, TextFinder } from './fold.ts'
import { headerText, textSources } from './letter-text.ts'

/** What looking at messages needs beside the messages: `SessionContext` has it all. */
export interface SearchSource {
  readonly host: SessionHost
  structureKey(emailId: string): string
}

export class Candidate {
  readonly facts: MessageFacts
  /** Position in the view of the mailbox that is searched. */
  readonly index: number
  readonly #mailbox: SelectedMailbox
  readonly #source: SearchSource
  /** All folded texts that any BODY or TEXT key looks for. */
  readonly #texts: ReadonlySet<string>
  #reader: MessageReader | null | undefined
  #headers: Headers | null | undefined
  #headerText: string | null = null
  #inBody: ReadonlySet<string> | null = null

  constructor(
    facts: MessageFacts,
    index: number,
    mailbox: SelectedMailbox,
    source: SearchSource,
    texts: ReadonlySet<string>,
  ) {
    this.facts = facts
    this.index = index
    this.#mailbox = mailbox
    this.#source = source
    this.#texts = texts
  }

  get recent(): boolean {
    return this.#mailbox.isRecent(this.facts.uid)
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
    const { host } = this.#source
    this.#headers = host.headers.get(this.#source.structureKey(this.facts.emailId))?.headers
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
      const bytes = this.#mailbox.store.message(this.facts.uid)
      const key = this.#source.structureKey(this.facts.emailId)
      this.#reader = bytes === null ? null : new MessageReader(bytes, key, this.#source.host)
    }
    return this.#reader
  }

  async #searchBody(): Promise<ReadonlySet<string>> {
    const finder = new TextFinder(this.#texts)
    const reader = this.#open()
    if (reader === null) return finder.found
    for (const { kind, part } of textSources((await reader.structure()).root)) {
      if (kind === 'header') finder.push(headerText(new Headers(await reader.partHeader(part))))
      else await searchText(part, reader, finder, this.#source.host)
      if (finder.done) break
      finder.cut()
    }
    return finder.found
  }
}

async function searchText(
  part: MimePart,
  reader: MessageReader,
  finder: TextFinder,
  host: Pick<SessionHost, 'pause'>,
): Promise<void> {
  const decoder = new PartTextDecoder(part)
  for await (const chunk of reader.chunks({ start: part.headerEnd, end: part.bodyEnd })) {
    finder.push(decoder.push(chunk))
    if (finder.done) return
    if (chunk.byteLength === FETCH_CHUNK_BYTES) await host.pause()
  }
  finder.push(decoder.finish())
}
