/**
 * Cuts a message for TOP (RFC 1939 section 7): the header, the empty line, and the first `lineCount` lines of the body.
 * Works on chunks cut anywhere. A message without an empty line is all header.
 */
const LF = 0x0a
const CR = 0x0d

export class TopCutter {
  #bodyLinesLeft: number
  #inHeader = true
  /** Bytes of the unfinished line that earlier chunks brought, and the last of them. */
  #carriedBytes = 0
  #carriedLast = 0

  constructor(lineCount: number) {
    this.#bodyLinesLeft = lineCount
  }

  /** The part of `chunk` that belongs to the answer; `done` when nothing after it does. */
  take(chunk: Buffer): { bytes: Buffer; done: boolean } {
    let lineStart = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, lineStart)) {
      if (this.#inHeader) this.#inHeader = !this.#isEmpty(chunk, lineStart, end)
      else this.#bodyLinesLeft--
      lineStart = end + 1
      this.#carriedBytes = 0
      if (!this.#inHeader && this.#bodyLinesLeft <= 0) return { bytes: chunk.subarray(0, lineStart), done: true }
    }
    this.#carriedBytes += chunk.length - lineStart
    this.#carriedLast = chunk[chunk.length - 1] ?? this.#carriedLast
    return { bytes: chunk, done: false }
  }

  #isEmpty(chunk: Buffer, start: number, end: number): boolean {
    const length = this.#carriedBytes + end - start
    if (length !== 1) return length === 0
    return (end > start ? chunk[start] : this.#carriedLast) === CR
  }
}
