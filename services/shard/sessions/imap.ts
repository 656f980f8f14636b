/** Joins a stream to the IMAP engine. */
import type { Duplex } from 'node:stream'
import type { CodedError, ErrorSpec } from '#lib/errors/coded-error.ts'
import type { CompressionBudget } from '#lib/imap/session/compress/compression.ts'
import type { HeaderCache } from '#lib/imap/session/header-cache.ts'
import type { SessionEnd, SessionHost } from '#lib/imap/session/host.ts'
import { ImapSession } from '#lib/imap/session/session.ts'
import type { SortFieldsCache } from '#lib/imap/session/sort/sort-fields.ts'
import type { StructureCache } from '#lib/imap/session/structure-cache.ts'
import type { ImapAccount } from '#lib/imap/store.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { STORE_ERRORS } from '../errors.ts'
import type { RunningSession } from './host.ts'
import { streamOutput } from './stream-output.ts'

const SERVER_ID = ['name', 'Twinpost'] as const

export function serveImap(options: {
  readonly stream: Duplex
  readonly mayServe: () => boolean
  /** Client bytes that came before the stream was handed over. */
  readonly early: Buffer
  readonly account: ImapAccount
  readonly structures: StructureCache
  readonly headers: HeaderCache
  readonly sortFields: SortFieldsCache
  readonly compression: CompressionBudget
  readonly clock: Clock
  readonly logger: Logger
}): RunningSession {
  const { stream, early, logger } = options
  const host: SessionHost = {
    ...streamOutput(stream, options.mayServe),
    clock: options.clock,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    responseCode,
    report: (err, context) => logger.error({ err, ...context }, 'command failed unexpectedly'),
    structures: options.structures,
    headers: options.headers,
    sortFields: options.sortFields,
    compression: options.compression,
  }
  const session = new ImapSession(options.account, host, { serverId: SERVER_ID })
  const over = session.run().then(describeEnd)
  let carriedOut: Promise<void> = Promise.resolve()
  const receive = (bytes: Buffer) => {
    stream.pause()
    carriedOut = session.receive(bytes).then(() => {
      stream.resume()
    })
  }
  stream.on('data', receive)
  // A client may end its side behind its last command: that command is still answered.
  stream.on('end', () => void carriedOut.then(() => session.end()))
  stream.on('close', () => session.end())
  stream.on('error', () => session.end())
  if (early.length > 0) receive(early)
  else stream.resume()
  return { over, end: (reason) => session.close(reason) }
}

function responseCode(error: CodedError): string | undefined {
  const catalogue: Readonly<Record<string, ErrorSpec>> = STORE_ERRORS
  return catalogue[error.code]?.imap
}

function describeEnd(end: SessionEnd): string {
  return end.kind === 'bye' ? `bye: ${end.reason}` : end.kind
}
