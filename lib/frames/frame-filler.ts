/** Cuts the pieces of something long into frames, without copying them. */
import { FRAME_PAYLOAD_BYTES_MAX } from './codec.ts'

/** Lists of views into `pieces`, each list as long as one frame may be, the last one shorter. */
export function* fillFrames(
  pieces: readonly Uint8Array[],
  frameBytesMax = FRAME_PAYLOAD_BYTES_MAX,
): Generator<Uint8Array[]> {
  let frame: Uint8Array[] = []
  let free = frameBytesMax
  for (const piece of pieces) {
    for (let at = 0; at < piece.byteLength; ) {
      const part = piece.subarray(at, at + free)
      frame.push(part)
      free -= part.byteLength
      at += part.byteLength
      if (free > 0) continue
      yield frame
      frame = []
      free = frameBytesMax
    }
  }
  if (frame.length > 0) yield frame
}
