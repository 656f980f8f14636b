/**
 * Hosts client sessions next to the data: takes a stream whose `sessionOpen` was read, asks the store whether this shard
 * serves the account, answers, and joins the stream to a protocol engine. The engines do no I/O; everything they need of
 * the world stands here.
 *
 * Invariants: a session exists only between its registration in the store and its release, so that suspension, password
 * change and shutdown reach every session; a client that is gone releases everything it held.
 */
import type { Duplex } from 'node:stream'
import { CodedError, errorMessage } from '#lib/errors/coded-error.ts'
import {
  encodeRefusal,
  encodeSessionOpened,
  FrameType,
  type Refusal,
  type RefusalReason,
  readPop3ClientFacts,
  type SessionOpen,
} from '#lib/frames/shard-protocol.ts'
import { COMPRESSED_SESSIONS_MAX, HEADER_CACHE_BYTES, SORT_FIELDS_BYTES } from '#lib/imap/limits.ts'
import { sessionCapabilities } from '#lib/imap/session/capabilities.ts'
import { CompressionBudget } from '#lib/imap/session/compress/compression.ts'
import { LruHeaderCache } from '#lib/imap/session/header-cache.ts'
import { LruSortFieldsCache } from '#lib/imap/session/sort/sort-fields.ts'
import { LruStructureCache } from '#lib/imap/session/structure-cache.ts'
import { writeFrame } from '#lib/link/rpc-client.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { MailStore, SessionUser } from '../mailbox/mod.ts'
import type { ShardMetrics } from '../metrics.ts'
import type { Served } from '../server/served.ts'
import { serveImap } from './imap.ts'
import { servePop3 } from './pop3.ts'

/** Parsed structures kept for all sessions of the process: some KiB each. */
const STRUCTURES_MAX = 2_000

export interface SessionEnvironment {
  readonly served: Served
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: ShardMetrics
  readonly sessionsMax: number
}

export interface RunningSession {
  /** Resolves when the session is over and everything was written. Never rejects. */
  readonly over: Promise<string>
  /** Ends it soon, with words for the user. */
  end(reason: string): void
}

export type OpenSessionHandler = (stream: Duplex, open: SessionOpen, early: Buffer, by: SessionUser) => void

export function createSessionHost(environment: SessionEnvironment): OpenSessionHandler {
  const structures = new LruStructureCache(STRUCTURES_MAX)
  const headers = new LruHeaderCache(HEADER_CACHE_BYTES)
  const compression = new CompressionBudget(COMPRESSED_SESSIONS_MAX)
  const sortFields = new LruSortFieldsCache(SORT_FIELDS_BYTES)
  return (stream, open, early, by) => {
    const logger = environment.logger.child({ session: open.sessionId, account: open.account, protocol: open.protocol })
    start(stream, open, early, by, logger).catch((error: unknown) => {
      logger.info({ reason: errorMessage(error) }, 'session refused')
      refuse(stream, refusal(error))
    })
  }

  async function start(
    stream: Duplex,
    open: SessionOpen,
    early: Buffer,
    by: SessionUser,
    logger: Logger,
  ): Promise<void> {
    const serving = environment.served.serving()
    if (serving.kind === 'refusing') {
      refuse(stream, serving.refusal)
      return
    }
    const { store } = serving
    const absence = store.whyNotServed(open.account, by)
    if (absence !== null) {
      refuse(stream, refusal(absence))
      return
    }
    if (store.counts().sessions >= environment.sessionsMax) {
      refuse(stream, { reason: 'limit', message: 'Too many sessions on this server', target: null })
      return
    }
    let running: RunningSession | null = null
    let ended: string | null = null
    const end = (reason: string) => {
      ended = reason
      running?.end(reason)
    }
    const release = store.registerSession(open.account, open.protocol, end, by)
    try {
      running = await begin(stream, open, early, by, store, logger)
      if (ended !== null) running.end(ended)
      environment.metrics.sessionsOpened.inc({ protocol: open.protocol })
      logger.info({ login: open.login, client: open.clientAddress, tls: open.tls }, 'session opened')
      const how = await running.over
      logger.info({ how }, 'session closed')
    } finally {
      release()
      stream.end()
    }
  }

  /** Sets the engine up before the answer goes out: what cannot be served is refused, not begun. */
  async function begin(
    stream: Duplex,
    open: SessionOpen,
    early: Buffer,
    by: SessionUser,
    store: MailStore,
    logger: Logger,
  ): Promise<RunningSession> {
    const mayServe = () => environment.served.mayServe()
    switch (open.protocol) {
      case 'imap': {
        const { identity } = open
        // A store that takes no writes now still lets people read; others hear of the account next time.
        if (identity !== undefined) {
          await store.introduce(open.account, identity).catch((err: unknown) => logger.warn({ err }, 'not introduced'))
        }
        const account = store.openImapAccount(open.account, identity, by)
        accept(stream, sessionCapabilities(account))
        const caches = { structures, headers, sortFields, compression }
        return serveImap({ stream, mayServe, early, account, ...caches, clock: environment.clock, logger })
      }
      case 'pop3': {
        const maildrop = await store.openMaildrop(open.account)
        accept(stream, '')
        const facts = readPop3ClientFacts(open.clientId)
        return servePop3({ stream, mayServe, early, maildrop, ...facts, logger })
      }
      case 'managesieve':
        throw new CodedError('SESSION_PROTOCOL', 'ManageSieve is not part of this version')
      default:
        return open.protocol satisfies never
    }
  }
}

function accept(stream: Duplex, capabilities: string): void {
  writeFrame(stream, FrameType.sessionOpened, 0, [encodeSessionOpened({ capabilities })])
}

function refuse(stream: Duplex, answer: Refusal): void {
  if (stream.destroyed) return
  writeFrame(stream, FrameType.refused, 0, [encodeRefusal(answer)])
  stream.end()
}

const REASONS: ReadonlyMap<string, RefusalReason> = new Map([
  ['STORE_IN_USE', 'in-use'],
  ['STORE_LIMIT', 'limit'],
  ['STORE_UNKNOWN_ACCOUNT', 'unknown-account'],
  ['STORE_SUSPENDED', 'suspended'],
  ['STORE_MOVED', 'moved'],
  ['SESSION_PROTOCOL', 'forbidden'],
])

function refusal(error: unknown): Refusal {
  const reason = error instanceof CodedError ? REASONS.get(error.code) : undefined
  const target = reason === 'moved' && error instanceof CodedError ? String(error.details['target']) : null
  return { reason: reason ?? 'unavailable', message: errorMessage(error), target }
}
