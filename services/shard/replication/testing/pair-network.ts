/**
 * The wire between two replicas, for tests: frames take `delayMs`, arrive in order, and not at all while that direction is cut. A
 * channel whose frames are held for longer than `breakMs` breaks for the side that sends.
 */
import { assert } from '#lib/errors/assert.ts'
import { CodedError } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import {
  type ChannelHandlers,
  type ChannelKind,
  PEER_FRAME_BYTES_MAX,
  type PeerChannel,
  type PeerNetwork,
} from '#lib/ports/network.ts'

const DIAL_TIMEOUT_MS = 500

export class PairNetwork {
  delayMs = 0.5
  /** cut[m]: nothing that member m sends arrives. */
  readonly cut: [boolean, boolean] = [false, false]
  /** Every frame that was sent, by kind of channel; for tests that look at the conversation. */
  frameCount = 0
  readonly #clock: Clock
  readonly #ends: [End | null, End | null] = [null, null]

  constructor(clock: Clock) {
    this.#clock = clock
  }

  cutBoth(cut: boolean): void {
    this.cut[0] = cut
    this.cut[1] = cut
  }

  /** The network of one process life of a member; the former life's channels break. */
  end(member: 0 | 1): PeerNetwork {
    this.kill(member)
    const end = new End(this, member)
    this.#ends[member] = end
    return end
  }

  /** The process is gone: the peer hears of it as a reset, if the wire is not cut. */
  kill(member: 0 | 1): void {
    this.#ends[member]?.die()
    this.#ends[member] = null
  }

  /** Nothing arrives any more at `member` over its open channels of that kind, and nobody says so. */
  deafen(member: 0 | 1, kind: ChannelKind): void {
    for (const channel of this.#ends[member]?.channels ?? []) if (channel.kind === kind) channel.deafen()
  }

  /** For ends. */
  other(member: 0 | 1): End | null {
    return this.#ends[1 - member] ?? null
  }

  later(from: 0 | 1, delayMs: number, action: () => void): void {
    this.#clock.after(delayMs, () => {
      if (!this.cut[from]) action()
    })
  }

  timer(delayMs: number, action: () => void): void {
    this.#clock.after(delayMs, action)
  }
}

class End implements PeerNetwork {
  readonly wire: PairNetwork
  readonly member: 0 | 1
  readonly channels = new Set<Channel>()
  #accept: ((channel: PeerChannel) => void) | null = null
  alive = true

  constructor(wire: PairNetwork, member: 0 | 1) {
    this.wire = wire
    this.member = member
  }

  dial(kind: ChannelKind): Promise<PeerChannel> {
    return new Promise((resolve, reject) => {
      let decided = false
      const refuse = (reason: string) => {
        if (decided || !this.alive) return
        decided = true
        reject(new CodedError('PEER_UNREACHABLE', reason))
      }
      this.wire.timer(DIAL_TIMEOUT_MS, () => refuse('no answer'))
      this.wire.later(this.member, this.wire.delayMs, () => {
        const peer = this.wire.other(this.member)
        if (peer === null || peer.#accept === null) {
          this.wire.timer(this.wire.delayMs, () => refuse('connection refused'))
          return
        }
        const theirs = new Channel(peer, kind)
        this.wire.later(peer.member, this.wire.delayMs, () => {
          if (decided || !this.alive || !peer.alive) return
          decided = true
          const ours = new Channel(this, kind)
          ours.connect(theirs)
          theirs.connect(ours)
          peer.#accept?.(theirs)
          resolve(ours)
        })
      })
    })
  }

  listen(accept: (channel: PeerChannel) => void): () => void {
    this.#accept = accept
    return () => {
      this.#accept = null
    }
  }

  die(): void {
    this.alive = false
    this.#accept = null
    for (const channel of this.channels) channel.reset()
  }
}

class Channel implements PeerChannel {
  readonly kind: ChannelKind
  readonly #end: End
  #peer: Channel | null = null
  #handlers: ChannelHandlers | null = null
  #early: Buffer[] = []
  #closed = false

  constructor(end: End, kind: ChannelKind) {
    this.#end = end
    this.kind = kind
    end.channels.add(this)
  }

  connect(peer: Channel): void {
    this.#peer = peer
  }

  open(handlers: ChannelHandlers): void {
    assert(this.#handlers === null, 'a channel is opened once')
    this.#handlers = handlers
    for (const frame of this.#early.splice(0)) handlers.frame(frame)
  }

  send(pieces: readonly Uint8Array[]): void {
    if (this.#closed || !this.#end.alive) return
    const frame = Buffer.concat(pieces)
    assert(frame.length <= PEER_FRAME_BYTES_MAX, 'a frame within limits')
    const { wire, member } = this.#end
    wire.frameCount++
    wire.timer(wire.delayMs, () => {
      // A reliable channel that loses one frame is broken: nothing after it may arrive.
      if (wire.cut[member]) this.#peer?.deafen()
      else this.#peer?.arrive(frame)
    })
  }

  close(reason: string): void {
    if (this.#closed) return
    this.#finish()
    const { wire, member } = this.#end
    wire.timer(0, () => this.#tell(reason))
    wire.later(member, wire.delayMs, () => this.#peer?.broken(reason))
  }

  /** The process died. */
  reset(): void {
    this.#finish()
    const { wire, member } = this.#end
    wire.later(member, wire.delayMs, () => this.#peer?.broken('reset'))
  }

  arrive(frame: Buffer): void {
    if (this.#closed || this.#deaf || !this.#end.alive) return
    if (this.#handlers === null) this.#early.push(frame)
    else this.#handlers.frame(frame)
  }

  #deaf = false
  deafen(): void {
    this.#deaf = true
  }

  broken(reason: string): void {
    if (this.#closed || !this.#end.alive) return
    this.#finish()
    this.#tell(reason)
  }

  #tell(reason: string): void {
    if (this.#end.alive) this.#handlers?.closed(reason)
  }

  #finish(): void {
    this.#closed = true
    this.#end.channels.delete(this)
  }
}
