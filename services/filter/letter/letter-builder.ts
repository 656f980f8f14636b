/**
 * Puts a letter together from the steps of a milter session: envelope, header fields, pieces of the body.
 * Invariant: with the leading space agreed the bytes are those that the sender sent.
 */
import { joinField, type Step } from '#lib/milter/mod.ts'
import { type Field, Letter, type LetterContext } from './letter.ts'

export class LetterBuilder {
  readonly #leadingSpace: boolean
  #sender = ''
  #recipients: string[] = []
  #fields: Field[] = []
  #header: string[] = []
  #body: Buffer[] = []
  #bytes = 0

  constructor(leadingSpace: boolean) {
    this.#leadingSpace = leadingSpace
  }

  /** So far. */
  get bytes(): number {
    return this.#bytes
  }

  /** How many fields have this name, which is in lower case. */
  count(name: string): number {
    return this.#fields.filter((field) => field.name.toLowerCase() === name).length
  }

  /** Takes a step that belongs to a letter. @returns Bytes that are kept of it. */
  add(step: Step): number {
    const before = this.#bytes
    switch (step.kind) {
      case 'mail':
        this.clear()
        this.#sender = barePath(step.path)
        return 0
      case 'recipient':
        this.#recipients.push(barePath(step.path))
        this.#bytes += step.path.length
        break
      case 'header': {
        const text = joinField(step, this.#leadingSpace)
        this.#header.push(text)
        this.#fields.push({ name: step.name.trimEnd(), value: unfolded(step.value) })
        this.#bytes += text.length
        break
      }
      case 'body':
        this.#body.push(step.piece)
        this.#bytes += step.piece.length
        break
      default:
    }
    return this.#bytes - before
  }

  /** The letter so far. */
  letter(facts: Pick<LetterContext, 'clientAddress' | 'helo' | 'user' | 'traceId'>): Letter {
    const context = { ...facts, sender: this.#sender, recipients: this.#recipients }
    const header = Buffer.from(`${this.#header.join('')}\r\n`, 'latin1')
    return new Letter(context, this.#fields, [header, ...this.#body])
  }

  clear(): void {
    this.#sender = ''
    this.#recipients = []
    this.#fields = []
    this.#header = []
    this.#body = []
    this.#bytes = 0
  }
}

function barePath(path: string): string {
  return path.replace(/^<(.*)>$/, '$1')
}

/** Bytes beyond ASCII are read as UTF-8 (RFC 6532). */
function unfolded(value: string): string {
  return Buffer.from(value.replace(/\n/g, ''), 'latin1').toString('utf8').trim()
}
