/**
 * Finds the primary of a shard and talks to it. What it remembers is a hint: the truth is the shard's own answer, so a
 * `not-primary` makes it try the other replica, and a lost stream makes it dial again. It never decides that something was
 * done or not done: a request whose stream was lost is repeated only if the caller says that repeating is harmless.
 */
import type { Duplex } from 'node:stream'
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'
import { FrameDecoder } from '#lib/frames/codec.ts'
import {
  decodeRefusal,
  decodeSessionOpened,
  encodeHello,
  encodeSessionOpen,
  FrameType,
  type Refusal,
  type SessionOpen,
  type SessionOpened,
} from '#lib/frames/shard-protocol.ts'
import type { ShardName } from '#lib/mail/types.ts'
import { type Clock, sleep } from '#lib/ports/clock.ts'
import { MEMBERS_PER_MAILNODE, preferredMember, replicaAddress, type ShardAddressing } from './address.ts'
import { deadline } from './deadline.ts'
import { type Dialer, LinkError } from './dialer.ts'
import { RefusedError, RpcClient, SILENCE_MS, writeFrame } from './rpc-client.ts'

export const ROUTE_ERRORS = {
  ROUTE_NO_PRIMARY: {
    smtp: '451 4.3.0',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'No replica of the shard said within the deadline that it is the primary.',
  },
} as const satisfies Record<string, ErrorSpec>

export class RouteError extends CodedError<keyof typeof ROUTE_ERRORS> {
  override readonly name = 'RouteError'
}

export type OpenedSession =
  /** `stream` carries raw session bytes from here on; `early` came with the answer and goes to the client first. */
  | { readonly kind: 'opened'; readonly opened: SessionOpened; readonly stream: Duplex; readonly early: Buffer }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export interface ShardRouter {
  /**
   * Runs `ask` on a stream to the shard's primary, trying both replicas until one answers or `patienceMs` is over.
   * @param ask May run more than once: it must be idempotent.
   * @throws {RouteError} ROUTE_NO_PRIMARY; {RefusedError} for every refusal but `not-primary` and `unavailable`
   */
  withPrimary<T>(shard: ShardName, patienceMs: number, ask: (rpc: RpcClient) => Promise<T>): Promise<T>
  /** Opens a session stream at the primary. @throws {RouteError} ROUTE_NO_PRIMARY */
  openSession(shard: ShardName, patienceMs: number, open: SessionOpen): Promise<OpenedSession>
  /** A hint from an event: forget which member was primary. */
  forget(shard: ShardName): void
  close(): void
}

const RETRY_PAUSE_MS = 50

export function createShardRouter(options: {
  readonly dialer: Dialer
  readonly addressing: ShardAddressing
  readonly clock: Clock
  readonly caller: string
}): ShardRouter {
  const { dialer, addressing, clock, caller } = options
  const primaries = new Map<ShardName, number>()
  /** Which member is asked first: the last one that answered, or the one that did not yet fail. */
  const hints = new Map<ShardName, number>()
  const clients = new Map<string, Promise<RpcClient>>()
  /** Open sessions by shard and member. */
  const sessions = new Map<string, Set<Duplex>>()

  function client(shard: ShardName, member: number): Promise<RpcClient> {
    const key = `${shard}@${member}`
    const existing = clients.get(key)
    if (existing) return existing
    const drop = () => {
      if (clients.get(key) === opening) clients.delete(key)
    }
    const opening: Promise<RpcClient> = dialer
      .dial(replicaAddress(addressing, shard, member))
      .then((stream) => new RpcClient(stream, { shard, caller }, drop, clock))
    clients.set(key, opening)
    opening.catch(drop)
    return opening
  }

  /** A deposed primary may be frozen and unable to end its sessions: they end here. */
  function found(shard: ShardName, member: number): void {
    hints.set(shard, member)
    if (primaries.get(shard) === member) return
    primaries.set(shard, member)
    for (let other = 0; other < MEMBERS_PER_MAILNODE; other++) {
      if (other !== member) for (const stream of sessions.get(`${shard}@${other}`) ?? []) stream.destroy()
    }
  }

  function keepSession(shard: ShardName, member: number, stream: Duplex): void {
    const key = `${shard}@${member}`
    const open = sessions.get(key) ?? new Set()
    sessions.set(key, open.add(stream))
    stream.once('close', () => open.delete(stream))
  }

  const first = (shard: ShardName): number => hints.get(shard) ?? preferredMember(shard)

  /** Tries the members in turn, the one that is hinted at first, until `attempt` gives an answer. */
  async function untilPrimary<T>(
    shard: ShardName,
    patienceMs: number,
    attempt: (member: number) => Promise<T | Refusal>,
    isRefusal: (answer: T | Refusal) => answer is Refusal,
  ): Promise<T> {
    const deadline = clock.monotonicMs() + patienceMs
    let member = first(shard)
    let last = 'no answer'
    for (let tries = 1; ; tries++) {
      try {
        const answer = await attempt(member)
        if (!isRefusal(answer)) {
          found(shard, member)
          return answer
        }
        last = answer.message
      } catch (error) {
        if (!(error instanceof LinkError)) throw error
        last = error.message
      }
      const other = (member + 1) % MEMBERS_PER_MAILNODE
      // Only what this attempt disproved: while it waited for a dead node, another one may have found the primary.
      if (first(shard) === member) hints.set(shard, other)
      member = other
      if (clock.monotonicMs() >= deadline) {
        throw new RouteError('ROUTE_NO_PRIMARY', `Cannot reach a primary of ${shard}: ${last}`, { details: { shard } })
      }
      if (tries % MEMBERS_PER_MAILNODE === 0) await sleep(clock, RETRY_PAUSE_MS)
    }
  }

  const temporary = (refusal: Refusal) => refusal.reason === 'not-primary' || refusal.reason === 'unavailable'

  return {
    withPrimary(shard, patienceMs, ask) {
      type Answer = { readonly value: Awaited<ReturnType<typeof ask>> }
      return untilPrimary<Answer>(
        shard,
        patienceMs,
        async (member) => {
          try {
            return { value: await ask(await client(shard, member)) }
          } catch (error) {
            if (error instanceof RefusedError && temporary(error.refusal)) return error.refusal
            throw error
          }
        },
        (answer): answer is Refusal => 'reason' in answer,
      ).then((answer) => answer.value)
    },
    openSession(shard, patienceMs, open) {
      return untilPrimary<OpenedSession>(
        shard,
        patienceMs,
        async (member) => {
          const stream = await dialer.dial(replicaAddress(addressing, shard, member))
          const answer = await openSessionOn(stream, shard, caller, open, clock)
          if (answer.kind === 'opened') keepSession(shard, member, stream)
          return answer.kind === 'refused' && temporary(answer.refusal) ? answer.refusal : answer
        },
        (answer): answer is Refusal => 'reason' in answer,
      )
    },
    forget(shard) {
      hints.delete(shard)
      primaries.delete(shard)
    },
    close() {
      for (const opening of clients.values()) opening.then((rpc) => rpc.close()).catch(() => {})
      clients.clear()
      dialer.close()
    },
  }
}

/** Says hello and `sessionOpen` on a fresh stream and waits for the shard's answer. @throws {LinkError} LINK_LOST */
function openSessionOn(
  stream: Duplex,
  shard: ShardName,
  caller: string,
  open: SessionOpen,
  clock: Clock,
): Promise<OpenedSession> {
  return new Promise((resolve, reject) => {
    const decoder = new FrameDecoder()
    const lost = (cause?: Error) => {
      done()
      stream.destroy()
      reject(new LinkError('LINK_LOST', `Lost the shard ${shard} while opening a session`, cause ? { cause } : {}))
    }
    const onClose = () => lost()
    const cancelSilence = deadline(clock, SILENCE_MS, () => lost(new Error(`no answer for ${SILENCE_MS} ms`)))
    const done = () => {
      cancelSilence()
      stream.off('data', receive)
      stream.off('error', lost)
      stream.off('close', onClose)
      stream.off('end', onClose)
    }
    const receive = (chunk: Buffer) => {
      try {
        decoder.push(chunk)
        const frame = decoder.next()
        if (!frame) return
        done()
        stream.pause()
        if (frame.type === FrameType.sessionOpened) {
          const opened = decodeSessionOpened(frame.payload)
          resolve({ kind: 'opened', opened, stream, early: decoder.rest() })
        } else {
          resolve({ kind: 'refused', refusal: decodeRefusal(frame.payload) })
          stream.destroy()
        }
      } catch (cause) {
        lost(cause instanceof Error ? cause : undefined)
      }
    }
    stream.on('data', receive)
    stream.on('error', lost)
    stream.on('close', onClose)
    stream.on('end', onClose)
    writeFrame(stream, FrameType.hello, 0, [encodeHello({ shard, caller, purpose: 'session' })])
    writeFrame(stream, FrameType.sessionOpen, 0, [encodeSessionOpen(open)])
  })
}
