/**
 * The port through which the two replicas of one shard talk: channels of frames to the one peer, and nobody else. Real
 * adapter: mutual TLS between the members; simulated: `sim/`.
 *
 * Rules that all adapters keep: within one channel frames arrive whole, in order and once, until it closes; a close loses any
 * number of the last frames, and each side may hear of it at another time, or only when it sends. Frames of an old channel may still
 * arrive after a newer one was opened. Whoever accepts a channel knows that the peer's certificate names the other member of the same
 * MailNode (services/shard/replication/README.md, "Who may say what").
 */

/** Three connections, so that a copy delays no record and a record no beacon. */
export const CHANNEL_KINDS = ['data', 'beacon', 'bulk'] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

/** No frame is longer; an adapter closes a channel on which the peer announces more, before it reads it. */
export const PEER_FRAME_BYTES_MAX = 256 * 1024

export interface ChannelHandlers {
  /** The bytes belong to the receiver from now on: the adapter does not touch them again. */
  frame(bytes: Buffer): void
  /** Called once, also after a `close()` of our own. Never called from inside `send` or `open`. */
  closed(reason: string): void
}

export interface PeerChannel {
  readonly kind: ChannelKind
  /** Must be called once, in the turn in which the channel was handed over; frames wait for it. */
  open(handlers: ChannelHandlers): void
  /**
   * Sends one frame, given in pieces that must not change afterwards. Never waits: the sender bounds what is under way by
   * acknowledgements (`windowBytes`). Does nothing on a closed channel.
   */
  send(pieces: readonly Uint8Array[]): void
  /** Frames already sent may be lost. Safe to call again. */
  close(reason: string): void
}

export interface PeerNetwork {
  /** Opens a channel to the peer. Rejects if it does not answer; how long that takes is bounded by the adapter (some seconds). */
  dial(kind: ChannelKind): Promise<PeerChannel>
  /** Hands over channels that the peer dialled. One listener at a time; the returned function ends it. */
  listen(accept: (channel: PeerChannel) => void): () => void
}
