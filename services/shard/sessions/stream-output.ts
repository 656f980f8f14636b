/** Where an engine's bytes go: a stream with back-pressure, in the shape that the IMAP and POP3 engines ask for. */
import type { Duplex } from 'node:stream'

export interface StreamOutput {
  write(bytes: Uint8Array): boolean
  drained(): Promise<void>
}

export function streamOutput(stream: Duplex): StreamOutput {
  return {
    write: (bytes) => stream.destroyed || stream.write(bytes),
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
