/** Reads a message as it is served: header block, then the body from its records. No byte is copied unless a read crosses a seam. */
import { known } from '#lib/errors/assert.ts'
import type { MessageBytes } from '#lib/imap/store.ts'
import type { MessageSource } from '../index/port.ts'
import type { BodyCache } from './body-cache.ts'
import { BODY_CHUNK_BYTES } from './body-writer.ts'

export function messageBytes(bodies: BodyCache, source: MessageSource): MessageBytes {
  const { headerBlock, body } = source
  const headerBytes = headerBlock.byteLength
  const sizeBytes = headerBytes + body.sizeBytes
  return {
    sizeBytes,
    async read(offset, length) {
      const from = Math.max(0, Math.min(offset, sizeBytes))
      const to = Math.max(from, Math.min(sizeBytes, from + length))
      const pieces: Uint8Array[] = []
      if (from < headerBytes) pieces.push(headerBlock.subarray(from, Math.min(to, headerBytes)))
      let at = Math.max(0, from - headerBytes)
      const end = to - headerBytes
      while (at < end) {
        const chunk = Math.floor(at / BODY_CHUNK_BYTES)
        const inChunk = at - chunk * BODY_CHUNK_BYTES
        const wanted = Math.min(end - at, BODY_CHUNK_BYTES - inChunk)
        const lsn = known(body.lsns[chunk], 'a body record for every MiB')
        const recordBytes = Math.min(BODY_CHUNK_BYTES, body.sizeBytes - chunk * BODY_CHUNK_BYTES)
        const piece = bodies.read(lsn, recordBytes, inChunk, wanted)
        pieces.push(piece instanceof Promise ? await piece : piece)
        at += wanted
      }
      const [only] = pieces
      return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
    },
  }
}
