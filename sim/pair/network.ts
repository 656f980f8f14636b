/**
 * The wire between the two members: channels of frames, each in order, each direction with a delay of its own and cut apart from
 * the other. What was on its way when a direction was cut either comes late, when it is mended (as TCP sends again), or never, and
 * then nothing after it. A process that ends tells the other side, one that loses power does not.
 */
import { assert } from '#lib/errors/assert.ts'
import { CodedError } from '#lib/errors/coded-error.ts'
import {
  type ChannelHandlers,
  type ChannelKind,
  PEER_FRAME_BYTES_MAX,
  type PeerChannel,
  type PeerNetwork,
} from '#lib/ports/network.ts'
import type { SimClock } from '../clock.ts'
import type { Coverage } from '../coverage.ts'
import type { SimRandom } from '../random.ts'
import type { Life } from '../world.ts'

export type Member = 0 | 1

const DIAL_TIMEOUT_MS = 1_000
const DELAY_MS = { min: 0.1, max: 1.5 }

export class SimNetwork {
  /** cut[m]: nothing that member m sends arrives. */
  readonly cut: [boolean, boolean] = [false, false]
  /** Added to each delay, up to: a slow link. */
  slowMs = 0
  readonly #clock: SimClock
  readonly #random: SimRandom
  readonly #coverage: Coverage
  readonly #ends: [End | null, End | null] = [null, null]
  /** What waits for the end of a cut, by sender. */
  readonly #held: [(() => void)[], (() => void)[]] = [[], []]

  constructor(clock: SimClock, random: SimRandom, coverage: Coverage) {
    this.#clock = clock
    this.#random = random
    this.#coverage = coverage
  }

  /** The network of one process life; it ends with that life. */
  end(member: Member, life: Life): PeerNetwork {
    const end = new End(this, member, life)
    this.#ends[member] = end
    return end
  }

  /** The life ended. `told`: by a process that ended, so that its kernel resets what was open; not by a loss of power. */
  gone(member: Member, told: boolean): void {
    const end = this.#ends[member]
    this.#ends[member] = null
    end?.die(told)
  }

  /** All that is open breaks, for both sides. */
  breakChannels(): void {
    for (const end of this.#ends) end?.breakAll('the connection broke')
  }

  /** All that `member` has open breaks, and the other side hears nothing of it: what it sent is still on its way. */
  breakEnd(member: Member): void {
    this.#ends[member]?.breakAll('the connection broke')
  }

  setCut(member: Member, cut: boolean): void {
    this.cut[member] = cut
    if (cut) return
    for (const send of this.#held[member].splice(0)) send()
  }

  // What follows is for ends and channels.

  peerOf(member: Member): End | null {
    return this.#ends[1 - member] ?? null
  }

  delayMs(): number {
    return DELAY_MS.min + this.#random.fraction() * (DELAY_MS.max - DELAY_MS.min + this.slowMs)
  }

  now(): number {
    return this.#clock.nowMs
  }

  at(atMs: number, action: () => void): void {
    this.#clock.after(atMs - this.#clock.nowMs, action)
  }

  /** Something of `from` arrives now, unless its direction is cut. */
  arrive(from: Member, channel: { lost: boolean }, action: () => void): void {
    if (!this.cut[from]) {
      action()
      return
    }
    if (channel.lost) return
    if (this.#held[from].length < 1_000 && this.#random.chance(0.9)) {
      this.#coverage.count('frame held by a cut')
      this.#held[from].push(action)
    } else channel.lost = true
  }
}

class End implements PeerNetwork {
  readonly network: SimNetwork
  readonly member: Member
  readonly life: Life
  readonly channels = new Set<Channel>()
  #accept: ((channel: PeerChannel) => void) | null = null

  constructor(network: SimNetwork, member: Member, life: Life) {
    this.network = network
    this.member = member
    this.life = life
  }

  dial(kind: ChannelKind): Promise<PeerChannel> {
    const { network, life, member } = this
    return new Promise((resolve, reject) => {
      let decided = false
      const refuse = (reason: string) => {
        life.gate(() => {
          if (decided) return
          decided = true
          reject(new CodedError('PEER_UNREACHABLE', `Cannot reach the peer: ${reason}`))
        })
      }
      life.clock.after(DIAL_TIMEOUT_MS, () => refuse('no answer'))
      const later = (action: () => void) => network.at(network.now() + network.delayMs(), action)
      later(() => {
        if (network.cut[member]) return
        const peer = network.peerOf(member)
        if (peer === null || peer.#accept === null) {
          later(() => refuse('connection refused'))
          return
        }
        // The peer's kernel answers, whether its process runs or not.
        const theirs = new Channel(peer, kind)
        later(() => {
          if (network.cut[peer.member]) return
          life.gate(() => {
            if (decided) return
            decided = true
            const ours = new Channel(this, kind)
            ours.connect(theirs)
            theirs.connect(ours)
            peer.life.gate(() => peer.#accept?.(theirs))
            resolve(ours)
          })
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

  die(told: boolean): void {
    this.#accept = null
    for (const channel of [...this.channels]) channel.died(told)
  }

  breakAll(reason: string): void {
    for (const channel of [...this.channels]) channel.broke(reason)
  }
}

class Channel implements PeerChannel {
  readonly kind: ChannelKind
  readonly #end: End
  #peer: Channel | null = null
  #handlers: ChannelHandlers | null = null
  #early: Buffer[] = []
  #closed = false
  /** Nothing that is sent before this time arrives later than what is sent after it. */
  #arrivesMs = 0
  /** A frame was lost: nothing after it may arrive. */
  lost = false

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
    if (this.#closed || !this.#end.life.alive) return
    const frame = Buffer.concat(pieces)
    assert(frame.length <= PEER_FRAME_BYTES_MAX, 'a frame within limits')
    this.#deliver((peer) => peer.#take(frame))
  }

  close(reason: string): void {
    if (this.#closed) return
    this.#finish()
    const { network, life } = this.#end
    network.at(network.now(), () => life.gate(() => this.#handlers?.closed(reason)))
    this.#deliver((peer) => peer.#over(reason))
  }

  died(told: boolean): void {
    this.#finish()
    if (told) this.#deliver((peer) => peer.#over('connection reset'))
  }

  broke(reason: string): void {
    this.#over(reason)
  }

  #deliver(action: (peer: Channel) => void): void {
    const { network, member } = this.#end
    this.#arrivesMs = Math.max(this.#arrivesMs, network.now() + network.delayMs())
    network.at(this.#arrivesMs, () => {
      network.arrive(member, this, () => {
        const peer = this.#peer
        if (peer !== null && !this.lost) peer.#end.life.gate(() => action(peer))
      })
    })
  }

  #take(frame: Buffer): void {
    if (this.#closed) return
    if (this.#handlers === null) this.#early.push(frame)
    else this.#handlers.frame(frame)
  }

  #over(reason: string): void {
    if (this.#closed) return
    this.#finish()
    this.#end.life.gate(() => this.#handlers?.closed(reason))
  }

  #finish(): void {
    this.#closed = true
    this.#end.channels.delete(this)
  }
}
