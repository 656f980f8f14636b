/**
 * One connection of a primary to its mirror, from dialling to its end: attach, comparison, begin, then records out and
 * acknowledgements in; beacons on their own channel, a large backlog on a third.
 *
 * Invariants: the logs are compared on every connection before a record goes out (rule 3); every frame carries the epoch of the
 * term; a frame of another epoch ends the connection.
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { type Epoch, type Lsn, type ShardName, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { ChannelKind, PeerChannel, PeerNetwork } from '#lib/ports/network.ts'
import type { LedgerReplica, ReplicaId } from '../ledger/types.ts'
import type { EncodedBatch } from '../log/types.ts'
import type { RoleTimes } from '../roles/times.ts'
import { Assembler } from './assembler.ts'
import { makeReadable } from './before-full-copy.ts'
import { commonPoint } from './common-point.ts'
import { PeerError } from './errors.ts'
import { Fetches } from './fetches.ts'
import {
  BULK_FROM_BYTES,
  BULK_WINDOW_BYTES,
  HANDSHAKE_MS,
  POSITION_STEPS_MAX,
  STALLED_MS,
  UNREADABLE_LINGER_MS,
  WINDOW_BYTES,
} from './limits.ts'
import { isLostAbove } from './lost-end.ts'
import {
  decodeMessage,
  encodeFetched,
  encodeMessage,
  type LogOutline,
  type PeerFields,
  type PeerMessage,
  type PeerSpace,
} from './messages.ts'
import { mirrorIsAhead } from './mirror-ahead.ts'
import { outlineOf } from './outline.ts'
import type { ReplicaLog } from './ports.ts'
import { RecordFeed } from './record-feed.ts'

export interface PrimaryLinkOptions {
  readonly shard: ShardName
  readonly self: LedgerReplica
  readonly network: PeerNetwork
  readonly clock: Clock
  readonly log: ReplicaLog
  readonly epoch: Epoch
  readonly times: RoleTimes
  readonly bulkBytesPerSecond: number
  /** Of this connection, different from the one before. */
  readonly number: number
  readonly commit: () => Lsn
  readonly ledgerVersion: () => number
  /** Whether the ledger may hold that replica, or any at the peer, in its in-sync set. */
  readonly mayBeInSync: (id: ReplicaId | 'any') => boolean
  readonly events: LinkEvents
}

export interface LinkEvents {
  attached(mirror: LedgerReplica): void
  /** The mirror's log ends there, compared and cut: what it holds is equal to what is here. */
  begun(lastLsn: Lsn): void
  acknowledged(durable: Lsn): void
  /** A beacon that was sent at `sentMs` was acknowledged by the mirror on this link. */
  beaconAcknowledged(sentMs: number): void
  /** Of the mirror: its volume, whether records of it are rotten, and whether it would not serve as primary. */
  condition(space: PeerSpace, damaged: boolean, standsBack: boolean): void
  freeBytes(bytes: number): void
  readied(ledgerVersion: number): void
  /** A record of the own log was rotten, and is whole again. */
  repaired(lsn: Lsn): void
  leaving(diskFailed: boolean): void
  refused(refusal: Extract<PeerMessage, { kind: 'refused' }>): void
  historiesDiffer(why: string): void
  /** In sync by the ledger, it lacks what it once held: it must be taken out before it can get a full copy. */
  mirrorLost(): void
  /** What a mirror lacks from `lsn` on, and was not required for, cannot be read here. */
  unreadable(lsn: Lsn): void
  /** Any frame came. */
  heard(): void
  changed(): void
}

export type LinkPhase = 'dialling' | 'comparing' | 'ahead' | 'copying' | 'streaming' | 'closed'

/** Where the mirror continues. `parted`: where the logs part; another place if it starts from nothing. */
interface Point {
  readonly common: Lsn
  readonly reset: boolean
  readonly parted: Lsn
}

/** Beacons whose answers are still of use. */
const BEACONS_REMEMBERED_MAX = 32
/** Fewer unanswered beacons than this are no silence. */
const UNANSWERED_MIN = 5

export class PrimaryLink {
  readonly #options: PrimaryLinkOptions
  readonly #assembler = new Assembler()
  readonly #fetches = new Fetches()
  readonly #channels: PeerChannel[] = []
  readonly #beaconsSent = new Map<number, number>()
  readonly #answers: PeerMessage[] = []
  #wanted: { resolve: (message: PeerMessage) => void; reject: (error: unknown) => void } | null = null
  #data: PeerChannel | null = null
  #mirror: LedgerReplica | null = null
  #feed: RecordFeed | null = null
  #phase: LinkPhase = 'dialling'
  #acknowledged = 0
  #sequence = 0
  /** When a beacon was acknowledged last, or the first was sent. */
  #beaconAnsweredMs = 0
  #beaconsUnanswered = 0
  #cancelBeacon = () => {}
  #cancelHandshake = () => {}
  #ended: (() => void) | null = null
  #reason = 'closed'

  constructor(options: PrimaryLinkOptions) {
    this.#options = options
  }

  get phase(): LinkPhase {
    return this.#phase
  }

  get mirror(): LedgerReplica | null {
    return this.#mirror
  }

  /** Why it ended, for the log of the process. */
  get reason(): string {
    return this.#reason
  }

  /** Dials, compares, streams. Resolves when the connection has ended, however it ended. */
  async run(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve
    })
    this.#awaitStep()
    try {
      await this.#begin()
    } catch (error) {
      this.close(`${errorCode(error) ?? ''} ${errorMessage(error)}`.trim())
    }
    await ended
  }

  /** The log begins to write a batch. */
  batch(batch: EncodedBatch): void {
    this.#feed?.batch(batch)
  }

  /** The log's sync went on: a mirror that catches up from disk may go on too. */
  durable(): void {
    this.#feed?.pump()
  }

  send(message: PeerFields): void {
    this.#data?.send(encodeMessage(this.#options.epoch, message))
  }

  async fetch(lsn: Lsn): Promise<Uint8Array | null> {
    if (this.#phase !== 'streaming' || this.#fetches.busy) return null
    return this.#fetches.ask(lsn, () => this.send({ kind: 'fetch', lsn }))
  }

  /** The clock jumped: answers to beacons that were sent before say nothing any more (rule 8). */
  forgetBeacons(): void {
    this.#beaconsSent.clear()
  }

  close(reason: string): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#reason = reason
    this.#cancelBeacon()
    this.#cancelHandshake()
    this.#feed?.stop()
    this.#fetches.end()
    for (const channel of this.#channels) channel.close(reason)
    this.#wanted?.reject(new PeerError('PEER_REFUSED', reason))
    this.#wanted = null
    this.#ended?.()
    this.#options.events.changed()
  }

  /** Each step of the comparison has its own time, so that a busy machine gets to the end of it. */
  #awaitStep(): void {
    this.#cancelHandshake()
    this.#cancelHandshake = this.#options.clock.after(HANDSHAKE_MS, () => this.close('the comparison took too long'))
  }

  async #begin(): Promise<void> {
    const { log, self, shard, number, ledgerVersion, mayBeInSync, events } = this.#options
    this.#data = await this.#dial('data', (message) => this.#onData(message))
    this.#awaitStep()
    this.#phase = 'comparing'
    this.send({
      kind: 'attach',
      shard,
      link: number,
      ledgerVersion: ledgerVersion(),
      inSync: mayBeInSync('any'),
      replica: self,
    })
    const attached = await this.#answer('attached')
    this.#mirror = attached.replica
    events.attached(attached.replica)
    events.condition(attached.space, attached.damaged, attached.standsBack)
    await this.#startBeacons()
    const point = await this.#compare(attached.log)
    if (point === null) return
    const inSync = mayBeInSync(attached.replica.id)
    if (inSync && this.#isAhead(point, attached)) {
      // The link stands: over it the mirror hears that it leads.
      this.#phase = 'ahead'
      events.changed()
      return
    }
    const { common, reset } = point
    if (reset && inSync) {
      // Its log is not set aside as long as it counts. Where the own end is lost, and the mirror cannot lead either, a person must look.
      if (!isLostAbove(point.parted, log)) events.mirrorLost()
      return
    }
    if (reset) {
      this.#cancelHandshake()
      const fetch = (lsn: Lsn) => this.#fetches.ask(lsn, () => this.send({ kind: 'fetch', lsn }))
      await makeReadable(log, fetch, events.repaired)
    }
    this.send({ kind: 'begin', common, reset, tag: log.tag })
    const begun = await this.#answer('begun')
    if (begun.lastLsn !== common)
      throw new PeerError('PEER_UNEXPECTED', `The mirror ends at ${begun.lastLsn}, not ${common}`)
    this.#cancelHandshake()
    this.#acknowledged = common
    events.begun(common)
    await this.#feedFrom(toLsn(common + 1))
  }

  /** The own log, with all in it that was appended when the comparison began: the mirror may have synced it already. */
  async #drainedOutline(): Promise<LogOutline> {
    const { log } = this.#options
    await log.drained()
    return outlineOf(log)
  }

  /** Where the mirror continues, or null when it cannot. */
  async #compare(theirs: LogOutline): Promise<Point | null> {
    const ours = await this.#drainedOutline()
    const point = commonPoint(ours, theirs)
    if (point.kind === 'full-copy') return { common: toLsn(0), reset: point.reset, parted: point.parted }
    if (point.kind === 'differ') return this.#differ(point.why)
    const lowest = Math.max(point.floor, point.lsn - POSITION_STEPS_MAX, 1)
    for (let lsn = point.lsn; lsn >= lowest; lsn = toLsn(lsn - 1)) {
      const chain = await this.#options.log.chainAt(lsn)
      if (chain === null) continue // rotten here: the one before proves as much, within one epoch
      this.send({ kind: 'position', lsn })
      const position = await this.#answer('positionIs')
      if (position.lsn !== lsn) throw new PeerError('PEER_UNEXPECTED', `Cannot use the position ${position.lsn}`)
      if (position.chain === null) continue
      if (!Buffer.from(chain).equals(position.chain)) return this.#differ(`record ${lsn} has two different histories`)
      return { common: point.lsn, reset: false, parted: point.lsn }
    }
    // No header can be read on both sides; the vector has proved that the epoch began with the same record.
    return { common: point.lsn, reset: false, parted: point.lsn }
  }

  #isAhead(
    { parted: commonLsn, reset }: Point,
    { log: theirs, damaged: mirrorDamaged }: Extract<PeerMessage, { kind: 'attached' }>,
  ): boolean {
    const { lastLsn, commit, endProved, rotten } = this.#options.log
    // A mirror that would be set aside is not asked whether it may be.
    const mirror = { mirrorLastLsn: theirs.lastLsn, mirrorCommit: reset ? 0 : theirs.commit, mirrorDamaged }
    return mirrorIsAhead({ lastLsn, commit, endProved, rotten, commonLsn, ...mirror })
  }

  #differ(why: string): null {
    const { epoch, ledgerVersion, events } = this.#options
    this.send({ kind: 'refused', reason: 'histories-differ', promisedEpoch: epoch, ledgerVersion: ledgerVersion() })
    events.historiesDiffer(why)
    return null
  }

  async #startBeacons(): Promise<void> {
    const channel = await this.#dial('beacon', (message) => this.#onBeacon(message))
    this.#awaitStep()
    this.#join(channel)
    this.#beaconAnsweredMs = this.#options.clock.monotonicMs()
    this.#beacon(channel)
  }

  #join(channel: PeerChannel): void {
    const { shard, number, epoch } = this.#options
    channel.send(encodeMessage(epoch, { kind: 'join', shard, link: number }))
  }

  #beacon(channel: PeerChannel): void {
    const { clock, epoch, commit, ledgerVersion, times } = this.#options
    // Acknowledgements of records do not count: the three connections can die one by one, and without beacons nothing may be read.
    // Several must be unanswered: after a pause of this process the answers lie unread.
    const silentMs = clock.monotonicMs() - this.#beaconAnsweredMs
    if (silentMs > times.graceMs && this.#beaconsUnanswered >= UNANSWERED_MIN) {
      this.close('the mirror is silent')
      return
    }
    if ((this.#feed?.stalledMs ?? 0) > STALLED_MS) {
      this.close('the mirror acknowledges nothing')
      return
    }
    const sequence = ++this.#sequence
    this.#beaconsUnanswered++
    this.#beaconsSent.set(sequence, clock.monotonicMs())
    if (this.#beaconsSent.size > BEACONS_REMEMBERED_MAX) {
      const [oldest] = this.#beaconsSent.keys()
      if (oldest !== undefined) this.#beaconsSent.delete(oldest)
    }
    channel.send(encodeMessage(epoch, { kind: 'beacon', sequence, commit: commit(), ledgerVersion: ledgerVersion() }))
    this.#cancelBeacon = clock.after(times.beaconMs, () => this.#beacon(channel))
  }

  /** Records from `from` on: over the bulk channel as long as very much is missing, then with all that is new. */
  async #feedFrom(from: Lsn): Promise<void> {
    const { bulkBytesPerSecond } = this.#options
    if (this.#missingBytes(from) > BULK_FROM_BYTES) {
      this.#phase = 'copying'
      const channel = await this.#dial('bulk', () => {
        throw new PeerError('PEER_UNEXPECTED', 'Cannot take anything on the bulk channel')
      })
      this.#join(channel)
      this.#feed = this.#newFeed(channel, from, BULK_WINDOW_BYTES, bulkBytesPerSecond)
      this.#feed.pump()
      return
    }
    this.#stream(from)
  }

  #stream(from: Lsn): void {
    const { events } = this.#options
    if (this.#data === null || this.#phase === 'closed') return
    this.#phase = 'streaming'
    for (const channel of this.#channels) if (channel.kind === 'bulk') channel.close('everything is copied')
    this.#feed = this.#newFeed(this.#data, from, WINDOW_BYTES, null)
    this.#feed.pump()
    events.changed()
  }

  #newFeed(channel: PeerChannel, firstLsn: Lsn, windowBytes: number, bytesPerSecond: number | null): RecordFeed {
    const { log, clock, epoch, commit } = this.#options
    const onFailure = (error: Error) => this.#feedFailed(errorCode(error) ?? error.message)
    return new RecordFeed({ log, channel, clock, epoch, firstLsn, windowBytes, bytesPerSecond, commit, onFailure })
  }

  /**
   * Where no mirror had to have it, what is rotten here is nowhere else. The link stays for a while, so that other records can be repaired. A
   * mirror in sync that lacks it was not told either that it is committed: the next comparison finds that, and it leads.
   */
  #feedFailed(why: string): void {
    const { events, mayBeInSync, clock } = this.#options
    const id = this.#mirror?.id
    const lsn = this.#feed?.nextLsn
    if (why !== 'LOG_ROTTEN_RECORD' || id === undefined || lsn === undefined || mayBeInSync(id)) {
      this.close(why)
      return
    }
    events.unreadable(lsn)
    clock.after(UNREADABLE_LINGER_MS, () => this.close(why))
  }

  /** About how much the log holds from `from` on. */
  #missingBytes(from: Lsn): number {
    const { log } = this.#options
    const records = log.durableLsn - from + 1
    return records <= 0 ? 0 : (records / Math.max(1, log.durableLsn)) * log.sizeBytes()
  }

  /** Once the backlog is small, and what was sent of it acknowledged, the rest goes over the data channel. */
  #endCopy(): void {
    const bulk = this.#feed
    if (bulk === null || this.#missingBytes(bulk.nextLsn) > BULK_FROM_BYTES / 8) return
    bulk.stop()
    if (bulk.idle) this.#stream(bulk.nextLsn)
  }

  #onBeacon(message: PeerMessage): void {
    const { events } = this.#options
    if (message.kind !== 'beaconAck') throw new PeerError('PEER_UNEXPECTED', `Cannot take ${message.kind} for a beacon`)
    this.#beaconAnsweredMs = this.#options.clock.monotonicMs()
    this.#beaconsUnanswered = 0
    const sentMs = this.#beaconsSent.get(message.sequence)
    for (const sequence of this.#beaconsSent.keys())
      if (sequence <= message.sequence) this.#beaconsSent.delete(sequence)
    if (message.space.full) this.#feed?.excuse()
    events.condition(message.space, message.damaged, message.standsBack)
    if (sentMs !== undefined) events.beaconAcknowledged(sentMs)
  }

  #onData(message: PeerMessage): void {
    const { events } = this.#options
    switch (message.kind) {
      case 'ack':
        events.freeBytes(message.freeBytes)
        this.#onAck(message.durable)
        return
      case 'refused':
        events.refused(message)
        this.close(message.reason)
        return
      case 'readied':
        events.readied(message.ledgerVersion)
        return
      case 'leaving':
        events.leaving(message.diskFailed)
        this.close('the mirror leaves')
        return
      case 'fetch':
        this.#serveFetch(message.lsn)
        return
      case 'fetched':
      case 'more': {
        const whole = this.#assembler.take(message)
        if (whole !== null) this.#fetches.answered(whole)
        return
      }
      case 'attached':
      case 'positionIs':
      case 'begun':
        this.#answers.push(message)
        this.#giveAnswer()
        return
      default:
        throw new PeerError('PEER_UNEXPECTED', `Cannot take ${message.kind} from a mirror`)
    }
  }

  #onAck(durable: Lsn): void {
    const { log, events } = this.#options
    if (this.#phase !== 'streaming' && this.#phase !== 'copying') {
      throw new PeerError('PEER_UNEXPECTED', 'Cannot take an acknowledgement before anything was sent')
    }
    const feed = this.#feed
    if (durable > log.lastLsn || (feed !== null && durable >= feed.nextLsn)) {
      throw new PeerError('PEER_UNEXPECTED', `Cannot take an acknowledgement of ${durable}: it was not sent`)
    }
    if (durable <= this.#acknowledged) return
    this.#acknowledged = durable
    feed?.acknowledged(durable)
    events.acknowledged(durable)
    if (this.#phase === 'copying') this.#endCopy()
  }

  #serveFetch(lsn: Lsn): void {
    const { log, epoch } = this.#options
    log.readRawRecord(lsn).then(
      (bytes) => this.#sendFetched(epoch, lsn, bytes),
      // Not here, or rotten here too: the asker hears that there is nothing.
      () => this.#sendFetched(epoch, lsn, new Uint8Array(0)),
    )
  }

  #sendFetched(epoch: Epoch, lsn: Lsn, bytes: Uint8Array): void {
    for (const frame of encodeFetched(epoch, lsn, bytes)) this.#data?.send(frame)
  }

  /** The next answer of the handshake, which must be of that kind. */
  async #answer<K extends PeerMessage['kind']>(kind: K): Promise<Extract<PeerMessage, { kind: K }>> {
    if (this.#phase === 'closed') throw new PeerError('PEER_REFUSED', this.#reason)
    const message = await new Promise<PeerMessage>((resolve, reject) => {
      this.#wanted = { resolve, reject }
      this.#giveAnswer()
    })
    if (!isKind(message, kind)) throw new PeerError('PEER_UNEXPECTED', `Cannot take ${message.kind} instead of ${kind}`)
    if (this.#phase === 'comparing') this.#awaitStep()
    return message
  }

  #giveAnswer(): void {
    const wanted = this.#wanted
    if (wanted === null) return
    const message = this.#answers.shift()
    if (message === undefined) return
    this.#wanted = null
    wanted.resolve(message)
  }

  /** @throws {PeerError} if the link was closed meanwhile */
  async #dial(kind: ChannelKind, take: (message: PeerMessage) => void): Promise<PeerChannel> {
    const channel = await this.#options.network.dial(kind)
    this.#adopt(channel, take)
    if (this.#phase === 'closed') throw new PeerError('PEER_REFUSED', this.#reason)
    return channel
  }

  #adopt(channel: PeerChannel, take: (message: PeerMessage) => void): void {
    const { events, epoch } = this.#options
    this.#channels.push(channel)
    channel.open({
      frame: (bytes) => {
        if (this.#phase === 'closed') return
        try {
          const message = decodeMessage(bytes)
          if (message.epoch !== epoch)
            throw new PeerError('PEER_STALE', `Cannot take a frame of epoch ${message.epoch}`)
          events.heard()
          take(message)
        } catch (error) {
          this.close(errorCode(error) ?? errorMessage(error))
          if (!(error instanceof PeerError)) throw error
        }
      },
      closed: (reason) => {
        if (needed(channel.kind, this.#phase)) this.close(`${channel.kind} channel: ${reason}`)
      },
    })
    if (this.#phase === 'closed') channel.close(this.#reason)
  }
}

/** The bulk channel ends before the link does, once everything is copied. */
function needed(kind: ChannelKind, phase: LinkPhase): boolean {
  return kind !== 'bulk' || phase === 'copying'
}

function isKind<K extends PeerMessage['kind']>(
  message: PeerMessage,
  kind: K,
): message is Extract<PeerMessage, { kind: K }> {
  return message.kind === kind
}
