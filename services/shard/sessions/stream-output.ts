/** Where an engine's bytes go: a stream with back-pressure, in the shape that the IMAP and POP3 engines ask for. */
import type { Duplex } from 'node:stream'

export interface StreamOutput {
  write(bytes: Uint8Array): boolean
  drained(): Promise<void>
}

/**
 * @param mayServe Asked before bytes go out (replication.md rule 8): a replica that lost the right to read cuts the client off
 *   instead of answering it, whatever was under way.
 */
export function streamOutput(stream: Duplex, mayServe: () => boolean): StreamOutput {
  return {
    write: (bytes) => {
      if (!mayServe()) stream.destroy()
      return stream.destroyed || stream.write(bytes)
    },
    drained: () =>
      new Promise((resolve) => {
        if (stream.destroyed || !stream.writableNeedDrain) {
          resolve()
          return
        }
        const done = () => {
          stream.off('drain', done)
          stream.off('close', done)
          resolve()
        }
        stream.on('drain', done)
        stream.on('close', done)
      }),
  }
}
