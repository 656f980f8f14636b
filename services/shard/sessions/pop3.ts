/** Joins a stream to the POP3 engine. */
import type { Duplex } from 'node:stream'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import { Pop3Session } from '#lib/pop3/session/engine.ts'
import type { Maildrop } from '#lib/pop3/store.ts'
import type { RunningSession } from './host.ts'
import { streamOutput } from './stream-output.ts'

export function servePop3(options: {
  readonly stream: Duplex
  readonly mayServe: () => boolean
  /** Client bytes that came before the stream was handed over. */
  readonly early: Buffer
  readonly maildrop: Maildrop
  readonly utf8: boolean
  readonly loginDelaySeconds: number
  readonly logger: Logger
}): RunningSession {
  const { stream, early, logger } = options
  const session = new Pop3Session(options.maildrop, streamOutput(stream, options.mayServe), {
    implementation: 'Twinpost',
    utf8: options.utf8,
    loginDelaySeconds: options.loginDelaySeconds,
  })
  let finish: (how: string) => void = () => {}
  const over = new Promise<string>((resolve) => {
    finish = resolve
  })
  const end = (how: string) => {
    session.end()
    finish(how)
  }
  let carriedOut: Promise<void> = Promise.resolve()
  const receive = (bytes: Buffer) => {
    stream.pause()
    carriedOut = session.receive(bytes).then(
      () => {
        if (session.over) end('quit')
        else stream.resume()
      },
      (err: unknown) => {
        logger.error({ err, reason: errorMessage(err) }, 'command failed unexpectedly')
        end('failed')
      },
    )
  }
  stream.on('data', receive)
  // A client may end its side behind its last command: that command is still answered.
  stream.on('end', () => void carriedOut.then(() => end('gone')))
  stream.on('close', () => end('gone'))
  stream.on('error', () => end('gone'))
  if (early.length > 0) receive(early)
  else stream.resume()
  return { over, end: (reason) => end(reason) }
}
