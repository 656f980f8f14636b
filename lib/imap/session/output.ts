/**
 * What a session says: small texts are gathered, bodies go out as they are. Text holds code units 0..255, one per byte.
 * Writers of many responses await `ready()` now and then, so that a slow client holds back the work, not memory.
 */
import { FLUSH_BYTES, GATHERED_BODY_BYTES_MAX } from '../limits.ts'
import type { SessionHost } from './host.ts'

export class Output {
  readonly #host: Pick<SessionHost, 'write' | 'drained'>
  /** What was said before `#text` and is not sent yet. */
  #pieces: (string | Uint8Array)[] = []
  #piecesSize = 0
  #text = ''
  #congested = false
  #insideLiteral = false
  #abandoned = false

  constructor(host: Pick<SessionHost, 'write' | 'drained'>) {
    this.#host = host
  }

  /** True while a literal was announced and not all of it written: nothing else can be said any more. */
  get insideLiteral(): boolean {
    return this.#insideLiteral
  }

  /** Nobody listens any more: what is written is dropped, and loops that write may stop. */
  get abandoned(): boolean {
    return this.#abandoned
  }

  abandon(): void {
    this.#abandoned = true
    this.#clear()
    this.#congested = false
  }

  write(text: string): void {
    if (this.#abandoned) return
    this.#text += text
    if (this.#text.length + this.#piecesSize >= FLUSH_BYTES) this.flush()
  }

  /** One untagged response, without `* ` and CRLF. */
  untagged(text: string): void {
    this.write(`* ${text}\r\n`)
  }

  /** Bytes of a message: small ones join the text around them, large ones go to the host without a copy. */
  bytes(bytes: Uint8Array): void {
    if (bytes.byteLength === 0 || this.#abandoned) return
    if (bytes.byteLength > GATHERED_BODY_BYTES_MAX) {
      this.flush()
      this.#send(bytes)
      return
    }
    this.#pieces.push(this.#text, bytes)
    this.#piecesSize += this.#text.length + bytes.byteLength
    this.#text = ''
    if (this.#piecesSize >= FLUSH_BYTES) this.flush()
  }

  /** `{n}` and its CRLF; exactly `sizeBytes` must follow by `bytes()`, then `endLiteral()`. @param binary A literal8, which may hold NUL */
  beginLiteral(sizeBytes: number, binary = false): void {
    this.write(`${binary ? '~' : ''}{${sizeBytes}}\r\n`)
    this.#insideLiteral = true
  }

  endLiteral(): void {
    this.#insideLiteral = false
  }

  flush(): void {
    if (this.#pieces.length === 0) {
      if (this.#text === '') return
      const bytes = Buffer.from(this.#text, 'latin1')
      this.#text = ''
      this.#send(bytes)
      return
    }
    const bytes = Buffer.allocUnsafe(this.#piecesSize + this.#text.length)
    let at = 0
    for (const piece of this.#pieces) {
      if (typeof piece === 'string') at += bytes.write(piece, at, 'latin1')
      else {
        bytes.set(piece, at)
        at += piece.byteLength
      }
    }
    bytes.write(this.#text, at, 'latin1')
    this.#clear()
    this.#send(bytes)
  }

  /** Resolves when the client has taken enough; at once if it keeps up. */
  async ready(): Promise<void> {
    while (this.#congested) {
      this.#congested = false
      await this.#host.drained()
    }
  }

  get congested(): boolean {
    return this.#congested
  }

  #clear(): void {
    this.#pieces = []
    this.#piecesSize = 0
    this.#text = ''
  }

  #send(bytes: Uint8Array): void {
    if (!this.#abandoned && !this.#host.write(bytes)) this.#congested = true
  }
}
