/**
 * The first words on every stream: `hello` names the shard that is meant and what the stream is for. What follows is served
 * by `rpc.ts` or `../sessions`. A stream that says nothing sensible in time is closed.
 */
import type { Duplex } from 'node:stream'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { FrameDecoder, FrameError } from '#lib/frames/codec.ts'
import {
  decodeHello,
  decodeReplicaOpen,
  decodeSessionOpen,
  encodeRefusal,
  FrameType,
  type Purpose,
  type Refusal,
  type SessionOpen,
} from '#lib/frames/shard-protocol.ts'
import { deadline } from '#lib/link/deadline.ts'
import { writeFrame } from '#lib/link/rpc-client.ts'
import type { ChannelKind } from '#lib/ports/network.ts'
import { maySend, type PeerIdentity } from '#lib/tls/roles.ts'
import type { OpenSessionHandler } from '../sessions/host.ts'
import { type RpcContext, RpcStream } from './rpc.ts'

const HELLO_TIMEOUT_MS = 5_000
/** How long a stream that was refused stays open, so that the answer is read. */
const REFUSED_LINGER_MS = 1_000

export interface StreamContext extends RpcContext {
  /** Takes over a stream whose `sessionOpen` was read; `early` are the client's bytes that came with it. */
  readonly openSession: OpenSessionHandler
  /** Name of the other member's pod: nobody else may open channels of replication. */
  readonly peerPod: string
  /** Takes over a channel of replication; false if nobody listens. */
  readonly openReplica: (kind: ChannelKind, stream: Duplex, early: Buffer) => boolean
}

/** An edge has checked a password; the command line needs the word of provisioning, which leaves a trace (`account.open`). */
function admitted({ served }: StreamContext, open: SessionOpen): boolean {
  const serving = served.serving()
  return serving.kind !== 'primary' || serving.store.redeemTicket(open.account, open.sessionId)
}

export function serveStream(stream: Duplex, peer: PeerIdentity, context: StreamContext): void {
  const decoder = new FrameDecoder()
  let purpose: Purpose | null = null
  const cancelTimeout = deadline(context.clock, HELLO_TIMEOUT_MS, () => reject(new Error('no hello in time')))
  const reject = (error: unknown) => {
    finish()
    context.metrics.brokenStreams.inc()
    context.logger.warn({ peer, reason: errorMessage(error) }, 'link turned away')
    stream.destroy()
  }
  const finish = () => {
    cancelTimeout()
    stream.off('data', receive)
    stream.off('end', endEarly)
  }
  const refuse = (refusal: Refusal) => {
    finish()
    // Not ready is no fault of the caller's.
    if (refusal.reason !== 'unavailable') {
      context.metrics.brokenStreams.inc()
      context.logger.warn({ peer, reason: refusal.message }, 'link turned away')
    }
    writeFrame(stream, FrameType.refused, 0, [encodeRefusal(refusal)])
    stream.end()
    stream.resume() // what was on its way is dropped, so that the end of it is seen
    stream.once(
      'close',
      context.clock.after(REFUSED_LINGER_MS, () => stream.destroy()),
    )
  }
  const receive = (chunk: Buffer) => {
    try {
      decoder.push(chunk)
      if (purpose === null) {
        const frame = decoder.next()
        if (!frame) return
        if (frame.type !== FrameType.hello)
          throw new FrameError('FRAME_TYPE', `Expected hello, got frame ${frame.type}`)
        const hello = decodeHello(frame.payload)
        if (hello.shard !== context.served.shard) {
          refuse({ reason: 'malformed', message: `This is ${context.served.shard}, not ${hello.shard}`, target: null })
          return
        }
        purpose = hello.purpose
      }
      if (purpose === 'rpc') {
        finish()
        new RpcStream(stream, peer, decoder, context)
        return
      }
      const frame = decoder.next()
      if (!frame) return
      if (purpose === 'replica') {
        if (frame.type !== FrameType.replicaOpen || !maySend(peer.role, frame.type) || peer.owner !== context.peerPod) {
          refuse({ reason: 'forbidden', message: `${peer.role} ${peer.owner} is not the other member`, target: null })
          return
        }
        finish()
        stream.pause()
        if (context.openReplica(decodeReplicaOpen(frame.payload), stream, decoder.rest())) return
        refuse({ reason: 'unavailable', message: 'This replica is not ready for its peer', target: null })
        return
      }
      if (frame.type !== FrameType.sessionOpen)
        throw new FrameError('FRAME_TYPE', `Expected sessionOpen, got frame ${frame.type}`)
      if (!maySend(peer.role, frame.type)) {
        refuse({ reason: 'forbidden', message: `The role ${peer.role} may not open sessions`, target: null })
        return
      }
      const open = decodeSessionOpen(frame.payload)
      if (peer.role === 'cli' && !admitted(context, open)) {
        refuse({ reason: 'forbidden', message: 'This session was not admitted, or was opened before', target: null })
        return
      }
      finish()
      stream.pause()
      context.openSession(stream, open, decoder.rest(), peer.role === 'cli' ? 'administrator' : 'user')
    } catch (error) {
      reject(error)
    }
  }
  const endEarly = () => reject(new Error('ended before it said what it is for'))
  stream.on('data', receive)
  stream.once('end', endEarly)
  stream.once('close', finish)
}
