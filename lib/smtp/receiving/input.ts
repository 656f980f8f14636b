/**
 * What has arrived and is not read yet: given out as lines while commands are read, as views into the chunks while a letter
 * is. A line within one chunk, the ordinary case, is copied once, into its string.
 */

const LF = 0x0a

/** The line is longer than may be: nothing after it can be made sense of. */
export const ENDLESS = Symbol('endless line')

export class Input {
  #chunk: Buffer | null = null
  #at = 0
  /** Chunks behind the current one. */
  #queue: Buffer[] = []
  /** The beginning of a line whose end has not come. */
  #held: Buffer[] = []
  #heldBytes = 0
  #pendingBytes = 0

  /** Bytes that have not been given out. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** Takes ownership of `chunk`. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#pendingBytes += chunk.length
    if (this.#chunk === null) {
      this.#chunk = chunk
      this.#at = 0
    } else this.#queue.push(chunk)
  }

  /** Forgets everything: it was said in clear text before TLS. */
  clear(): void {
    this.#chunk = null
    this.#queue = []
    this.#dropHeld()
    this.#pendingBytes = 0
  }

  /** The next line without its LF, in latin1; null: its end has not come. */
  line(bytesMax: number): string | typeof ENDLESS | null {
    for (let chunk = this.#chunk; chunk !== null; chunk = this.#chunk) {
      const end = chunk.indexOf(LF, this.#at)
      const to = end === -1 ? chunk.length : end
      if (this.#heldBytes + to - this.#at > bytesMax) return ENDLESS
      if (end !== -1) {
        const line = this.#lineTo(chunk, end)
        this.#skipTo(end + 1)
        return line
      }
      this.#held.push(chunk.subarray(this.#at))
      this.#heldBytes += to - this.#at
      this.#skipTo(to)
    }
    return null
  }

  /** What is there, as it came; null: nothing. The view is the caller's. @param bytesMax Not more than this. */
  take(bytesMax = Number.POSITIVE_INFINITY): Buffer | null {
    const chunk = this.#chunk
    if (chunk === null) return null
    const end = Math.min(chunk.length, this.#at + bytesMax)
    const piece = this.#at === 0 && end === chunk.length ? chunk : chunk.subarray(this.#at, end)
    this.#skipTo(end)
    return piece
  }

  /** Puts back the end of what `take` gave last: it belongs to what follows. */
  giveBack(rest: Buffer): void {
    if (rest.length === 0) return
    this.#pendingBytes += rest.length
    if (this.#chunk !== null) this.#queue.unshift(this.#at === 0 ? this.#chunk : this.#chunk.subarray(this.#at))
    this.#chunk = rest
    this.#at = 0
  }

  #lineTo(chunk: Buffer, end: number): string {
    if (this.#heldBytes === 0) return chunk.toString('latin1', this.#at, end)
    const line = Buffer.concat([...this.#held, chunk.subarray(this.#at, end)]).toString('latin1')
    this.#dropHeld()
    return line
  }

  #dropHeld(): void {
    this.#held = []
    this.#heldBytes = 0
  }

  #skipTo(at: number): void {
    const chunk = this.#chunk
    if (chunk === null) return
    this.#pendingBytes -= at - this.#at
    this.#at = at
    if (at < chunk.length) return
    this.#chunk = this.#queue.shift() ?? null
    this.#at = 0
  }
}
