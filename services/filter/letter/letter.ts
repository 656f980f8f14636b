/**
 * A letter as engines see it: its bytes as they came, and on demand its parts, texts and attachments, each made once for all engines.
 * Invariant: whatever the letter holds, what is made of it is bounded by limits.ts.
 */
import { createHash } from 'node:crypto'
import {
  decodeWords,
  type LeafPart,
  type MimeMessage,
  type MimePart,
  PartTextDecoder,
  parameter,
  parseMessage,
  textParts,
  transferDecoder,
} from '#lib/mime/mod.ts'
import {
  ARCHIVE_BYTES_MAX,
  ARCHIVE_ENTRIES_MAX,
  ATTACHMENT_BYTES_MAX,
  ATTACHMENTS_MAX,
  TEXT_CHARACTERS_MAX,
} from '../limits.ts'
import { type ArchiveReport, archiveKind, openArchive } from './archive.ts'

export interface Field {
  readonly name: string
  /** Unfolded, as text. */
  readonly value: string
}

export interface TextView {
  readonly subtype: string
  readonly text: string
}

export interface Attachment {
  /** As the sender names it; empty if not at all. */
  readonly filename: string
  /** As the sender calls it: `application/pdf`. */
  readonly mediaType: string
  /** Decoded; null: larger than is looked into. */
  readonly content: Buffer | null
}

/** Who sends the letter to whom, as far as the mail server told. */
export interface LetterContext {
  readonly clientAddress: string | null
  readonly helo: string | null
  /** Without angle brackets; empty: the null path. */
  readonly sender: string
  readonly recipients: readonly string[]
  /** Login of the user who submits it; null: it comes from outside. */
  readonly user: string | null
  /** The mail server's id for it, for logs. */
  readonly traceId: string | null
}

export class Letter {
  readonly context: LetterContext
  readonly fields: readonly Field[]
  readonly #pieces: readonly Buffer[]
  readonly bytes: number
  #whole: Buffer | null = null
  #message: MimeMessage | null = null
  #texts: readonly TextView[] | null = null
  #attachments: readonly Attachment[] | null = null
  #archives: Promise<ArchiveReport> | null = null
  #digest: string | null = null

  /** @param pieces Header fields with their line ends, a blank line, the body. */
  constructor(context: LetterContext, fields: readonly Field[], pieces: readonly Buffer[]) {
    this.context = context
    this.fields = fields
    this.#pieces = pieces
    this.bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
  }

  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  /** In one piece. */
  get whole(): Buffer {
    this.#whole ??= this.#pieces.length === 1 && this.#pieces[0] ? this.#pieces[0] : Buffer.concat(this.#pieces)
    return this.#whole
  }

  get message(): MimeMessage {
    this.#message ??= parseMessage(this.whole)
    return this.#message
  }

  /** SHA-256 of all bytes, in base64url. */
  get digest(): string {
    if (this.#digest === null) {
      const hash = createHash('sha256')
      for (const piece of this.#pieces) hash.update(piece)
      this.#digest = hash.digest('base64url')
    }
    return this.#digest
  }

  /** The first field of a name, decoded for reading; null: there is none. */
  header(name: string): string | null {
    const wanted = name.toLowerCase()
    const field = this.fields.find((one) => one.name.toLowerCase() === wanted)
    return field === undefined ? null : decodeWords(field.value)
  }

  /** What people read, in order. */
  get texts(): readonly TextView[] {
    this.#texts ??= this.#readTexts()
    return this.#texts
  }

  /** Every part that is no text and no container, and texts that are sent as files. */
  get attachments(): readonly Attachment[] {
    this.#attachments ??= leaves(this.message)
      .filter((part) => part.type !== 'text' || part.disposition?.type === 'attachment')
      .slice(0, ATTACHMENTS_MAX)
      .map((part) => this.#attachment(part))
    return this.#attachments
  }

  /** What the attachments hold that are archives, opened once for all engines. */
  get archives(): Promise<ArchiveReport> {
    this.#archives ??= this.#openArchives()
    return this.#archives
  }

  async #openArchives(): Promise<ArchiveReport> {
    const budget = { bytesLeft: ARCHIVE_BYTES_MAX, entriesLeft: ARCHIVE_ENTRIES_MAX }
    const reports: ArchiveReport[] = []
    for (const { filename, content } of this.attachments) {
      if (content !== null && archiveKind(content) !== null) reports.push(await openArchive(filename, content, budget))
    }
    return { files: reports.flatMap(({ files }) => files), troubles: reports.flatMap(({ troubles }) => troubles) }
  }

  #readTexts(): TextView[] {
    const views: TextView[] = []
    let left = TEXT_CHARACTERS_MAX
    for (const part of textParts(this.message)) {
      if (left <= 0) break
      // The encoded form is at most some three times as long; what is decoded in vain is bounded by that.
      const end = Math.min(part.bodyEnd, part.headerEnd + 4 * left)
      const decoder = new PartTextDecoder(part)
      const text = (decoder.push(this.whole.subarray(part.headerEnd, end)) + decoder.finish()).slice(0, left)
      left -= text.length
      views.push({ subtype: part.subtype, text })
    }
    return views
  }

  #attachment(part: LeafPart): Attachment {
    const filename = parameter(part.disposition?.params ?? [], 'filename') ?? parameter(part.params, 'name') ?? ''
    const mediaType = `${part.type}/${part.subtype}`
    const encoded = this.whole.subarray(part.headerEnd, part.bodyEnd)
    if (encoded.length > 1.5 * ATTACHMENT_BYTES_MAX) return { filename, mediaType, content: null }
    const decoder = transferDecoder(part.encoding)
    const content = Buffer.concat([decoder.push(encoded), decoder.finish()])
    return {
      filename: decodeWords(filename),
      mediaType,
      content: content.length > ATTACHMENT_BYTES_MAX ? null : content,
    }
  }
}

function leaves(message: MimeMessage): LeafPart[] {
  const found: LeafPart[] = []
  const waiting: MimePart[] = [message.root]
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (part.kind === 'message') waiting.push(part.message.root)
    else if (part.kind === 'multipart') waiting.push(...part.parts.toReversed())
    else found.push(part)
  }
  return found
}
