/**
 * Bodies of which a part was read, until the rest was: a reader that goes through a large letter in pieces has it read and proved once, not once
 * for each piece. Invariant: never more bytes than the limit, the longest unused go first.
 */
export class KeptBodies {
  readonly #bytesMax: number
  /** In order of use. */
  readonly #bodies = new Map<number, Buffer>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The body, which is not kept any more; or undefined. */
  take(lsn: number): Buffer | undefined {
    const body = this.#bodies.get(lsn)
    if (body === undefined) return undefined
    this.#bodies.delete(lsn)
    this.#bytes -= body.length
    return body
  }

  keep(lsn: number, body: Buffer): void {
    this.take(lsn)
    this.#bodies.set(lsn, body)
    this.#bytes += body.length
    for (const oldest of this.#bodies.keys()) {
      if (this.#bytes <= this.#bytesMax) return
      this.take(oldest)
    }
  }
}
