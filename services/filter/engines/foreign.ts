/** A question to a foreign engine over a socket: one connection, one answer, bounded; ended when nobody waits for it. */
import { connect, type Socket } from 'node:net'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { ENGINE_ANSWER_BYTES_MAX } from '../limits.ts'
import { EngineError } from '../scan/engine.ts'

/** `host:port`, `[v6]:port`, or `/path` of a unix socket. */
export type EngineAddress = { readonly host: string; readonly port: number } | { readonly path: string }

const HOST_PORT = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s/:[\]]+)):([0-9]{1,5})$/

/** @returns null: not an address. */
export function parseEngineAddress(text: string): EngineAddress | null {
  if (text.startsWith('/')) return { path: text }
  const match = HOST_PORT.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port }
}

/**
 * Sends `request`, waits for the other end to end.
 * @param pieces Bytes in order; the next is asked for when the one before is written.
 * @throws {EngineError} ENGINE_UNREACHABLE, ENGINE_ANSWER
 */
export async function ask(
  address: EngineAddress,
  pieces: Iterable<Buffer | string>,
  signal: AbortSignal,
): Promise<Buffer> {
  const socket = connect(address)
  const end = () => socket.destroy()
  signal.addEventListener('abort', end, { once: true })
  try {
    const answer = readToEnd(socket)
    answer.catch(() => {})
    for (const piece of pieces) {
      if (socket.destroyed) break
      if (!socket.write(piece)) await drained(socket)
    }
    return await answer
  } finally {
    signal.removeEventListener('abort', end)
    socket.destroy()
  }
}

/** Resolves when there is room again, or none will ever be needed. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.once('drain', done)
    socket.once('close', done)
  })
}

function readToEnd(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    let failure: EngineError | null = null
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= ENGINE_ANSWER_BYTES_MAX) {
        chunks.push(chunk)
        return
      }
      failure = new EngineError('ENGINE_ANSWER', `Cannot use an answer of more than ${ENGINE_ANSWER_BYTES_MAX} bytes`)
      socket.destroy()
    })
    socket.once('error', (error) => {
      failure = new EngineError('ENGINE_UNREACHABLE', `Cannot ask the engine: ${errorMessage(error)}`, { cause: error })
    })
    socket.once('close', () => {
      if (failure !== null) reject(failure)
      else if (bytes === 0)
        reject(new EngineError('ENGINE_UNREACHABLE', 'Cannot ask the engine: it closed the connection without a word'))
      else resolve(Buffer.concat(chunks))
    })
  })
}
