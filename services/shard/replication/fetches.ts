/** Asks the peer for single records, to repair what rotted here (rule 14); one at a time, bounded by the life of a link. */
import type { Lsn } from '#lib/mail/types.ts'
import type { Assembled } from './assembler.ts'

export class Fetches {
  #waiting: { lsn: Lsn; resolve: (bytes: Uint8Array | null) => void } | null = null

  get busy(): boolean {
    return this.#waiting !== null
  }

  /** Resolves to null if the peer cannot read it either, or the link ends first. */
  ask(lsn: Lsn, send: () => void): Promise<Uint8Array | null> {
    this.end()
    return new Promise((resolve) => {
      this.#waiting = { lsn, resolve }
      send()
    })
  }

  answered({ head, chunks }: Assembled): void {
    if (head.kind !== 'fetched' || this.#waiting?.lsn !== head.lsn) return
    const { resolve } = this.#waiting
    this.#waiting = null
    resolve(head.byteCount === 0 ? null : Buffer.concat(chunks))
  }

  /** The link ended. */
  end(): void {
    this.#waiting?.resolve(null)
    this.#waiting = null
  }
}
