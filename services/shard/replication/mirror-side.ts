/**
 * The side of the conversation that follows: answers the peer's attach, lets its own log be compared and cut, takes records, syncs
 * and acknowledges them, counts beacons. It listens in every role, because a primary learns here that a higher epoch exists.
 *
 * Invariants: an epoch is promised durably before it is answered; nothing is acknowledged before it is durable; nothing at or below
 * a commit that is known here is cut; while `mute` nothing is acknowledged and nobody is followed (rule 6).
 */
import { errorCode, errorMessage } from '#lib/errors/coded-error.ts'
import { type Epoch, type Lsn, type ShardName, toEpoch, toLsn } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { PeerChannel, PeerNetwork } from '#lib/ports/network.ts'
import { LEVEL_OF_PEER_SPACE } from '../ledger/feature-level.ts'
import type { LedgerReplica, ReplicaId } from '../ledger/types.ts'
import { Assembler } from './assembler.ts'
import { mayCutAbove } from './cut-allowed.ts'
import { PeerError } from './errors.ts'
import { Fetches } from './fetches.ts'
import { Inbox, type Taker } from './inbox.ts'
import { CHANNELS_MAX, RECEIVED_BYTES_MAX, REFUSED_LINGER_MS } from './limits.ts'
import { isLostAbove } from './lost-end.ts'
import {
  encodeFetched,
  encodeMessage,
  type PeerFields,
  type PeerMessage,
  type PeerSpace,
  type Refusal,
} from './messages.ts'
import type { NoteKeeper } from './note-keeper.ts'
import { outlineOf } from './outline.ts'
import type { ReplicaLog } from './ports.ts'
import { fetchRange, rottenAround } from './repairer.ts'

export interface MirrorSideOptions {
  readonly shard: ShardName
  readonly self: LedgerReplica
  readonly network: PeerNetwork
  readonly clock: Clock
  readonly log: ReplicaLog
  readonly notes: NoteKeeper
  readonly space: () => { readonly freeBytes: number; readonly totalBytes: number }
  /** Of the ledger, as far as it was read: what both members may write. */
  readonly featureLevel: () => number
  /** This replica would not serve if it were made primary. */
  readonly standsBack: () => boolean
  /** The highest commit known here from elsewhere than the log: what the index has applied. */
  readonly appliedLsn: () => Lsn
  readonly events: MirrorEvents
}

export interface MirrorEvents {
  /** A primary speaks for a higher epoch than any before. False: not now (this replica is still primary and steps down first). */
  mayFollow(epoch: Epoch): boolean
  /** The peer's word on the ledger. */
  ledgerVersion(version: number): void
  /** The ledger is said to name this replica primary. */
  handover(ledgerVersion: number): void
  commit(commit: Lsn): void
  historiesDiffer(): void
  /** Anything that decisions depend on. */
  changed(): void
  /** Worth a line in the log of the process. */
  noticed(event: PeerNotice): void
  /** The own disk failed under the conversation. */
  failed(error: unknown): void
}

export type PeerNotice =
  | { readonly kind: 'refused'; readonly reason: Refusal; readonly epoch: Epoch }
  | { readonly kind: 'cut'; readonly fromLsn: Lsn; readonly bytes: number; readonly path: string }
  | { readonly kind: 'repaired'; readonly lsn: Lsn; readonly why: string }
  | { readonly kind: 'link-closed'; readonly reason: string }
  | { readonly kind: 'bad-frame'; readonly code: string; readonly message: string }

/** One connection of a primary: its data channel, and those that joined. */
interface Link {
  readonly number: number
  readonly epoch: Epoch
  readonly primary: ReplicaId
  readonly inSync: boolean
  readonly data: PeerChannel
  readonly others: PeerChannel[]
  readonly sinceMs: number
  phase: 'comparing' | 'beginning' | 'following'
}

type Attach = Extract<PeerMessage, { kind: 'attach' }>
type Records = Extract<PeerMessage, { kind: 'batch' | 'more' | 'fetched' }>

export class MirrorSide {
  readonly #options: MirrorSideOptions
  readonly #fetches = new Fetches()
  readonly #channels = new Set<PeerChannel>()
  #link: Link | null = null
  #stopListening = () => {}
  #muted = false
  #lastBeaconMs: number | null = null
  #primaryCommit = 0
  /** A primary of this epoch lacks commits that are known here: it is not heard again. */
  #refusedEpoch = 0
  /** Who leads the promised epoch, once it was heard. */
  #leader: { epoch: Epoch; id: ReplicaId } | null = null
  #receivedBytes = 0
  #received: { last: number; bytes: number }[] = []
  #barrier: { lsn: Lsn; ledgerVersion: number; link: Link } | null = null
  /** The last piece of work that reads or cuts the end of the log. */
  #logWork: Promise<unknown> = Promise.resolve()

  constructor(options: MirrorSideOptions) {
    this.#options = options
  }

  /** Monotonic; null: none in this process life. */
  get lastBeaconMs(): number | null {
    return this.#lastBeaconMs
  }

  get following(): boolean {
    return this.#link?.phase === 'following'
  }

  /** The replica on the other end of the link, or null. */
  get primary(): ReplicaId | null {
    return this.#link?.primary ?? null
  }

  /** What the index may apply: committed, and durable here. */
  get commit(): Lsn {
    return toLsn(Math.min(this.#primaryCommit, this.#options.log.durableLsn))
  }

  listen(): void {
    this.#stopListening = this.#options.network.listen((channel) => this.#accept(channel))
  }

  /** From now on nothing is acknowledged: this replica may become primary. */
  mute(): void {
    if (this.#muted) return
    this.#muted = true
    this.#dropLink('this replica is about to take over')
  }

  unmute(): void {
    this.#muted = false
  }

  /** Says goodbye, if a primary listens. */
  leave(diskFailed: boolean): void {
    if (this.#link) this.#send(this.#link.data, this.#link.epoch, { kind: 'leaving', diskFailed })
  }

  close(reason: string): void {
    this.#stopListening()
    this.#dropLink(reason)
    for (const channel of this.#channels) channel.close(reason)
    this.#channels.clear()
  }

  /** A primary that was silent for `withinMs` is not followed any more: the wire may be cut without anybody saying so. */
  watch(withinMs: number): void {
    const link = this.#link
    if (link === null) return
    const heardMs = Math.max(link.sinceMs, this.#lastBeaconMs ?? 0)
    if (this.#options.clock.monotonicMs() - heardMs > withinMs) this.#dropLink('the primary is silent')
  }

  /** Resolves when nothing of a former conversation works on the log any more. To be awaited after `mute`. */
  async quiet(): Promise<void> {
    await this.#alone(() => this.#options.log.drained())
  }

  /** The log's sync went on. */
  durable(lsn: Lsn): void {
    while (this.#received[0] !== undefined && this.#received[0].last <= lsn) {
      this.#receivedBytes -= this.#received.shift()?.bytes ?? 0
    }
    const link = this.#link
    if (link?.phase === 'following') this.#acknowledge(link)
    this.#tellCommit()
    this.#tryReady()
  }

  /** Asks the primary for a record that rotted here. Null: no link, or it cannot read it either. */
  async fetch(lsn: Lsn): Promise<Uint8Array | null> {
    const link = this.#link
    if (link?.phase !== 'following' || this.#fetches.busy) return null
    return this.#fetches.ask(lsn, () => this.#send(link.data, link.epoch, { kind: 'fetch', lsn }))
  }

  /** The first frame of a channel says what it is for. */
  #accept(channel: PeerChannel): void {
    const inbox = new Inbox(
      (message) => this.#first(channel, message),
      (error) => this.#bad(channel, error),
    )
    this.#channels.add(channel)
    const [oldest] = this.#channels
    if (this.#channels.size > CHANNELS_MAX) oldest?.close('too many channels')
    channel.open({
      frame: (bytes) => inbox.take(bytes),
      closed: (reason) => {
        inbox.stop()
        this.#channels.delete(channel)
        this.#closed(channel, reason)
      },
    })
  }

  /** @returns Who takes the frames after this one. */
  async #first(channel: PeerChannel, message: PeerMessage): Promise<Taker> {
    switch (message.kind) {
      case 'probe':
        this.#probed(channel, message.shard)
        return () => {
          throw new PeerError('PEER_UNEXPECTED', 'Cannot take more after a probe')
        }
      case 'attach':
        return this.#attach(channel, message)
      case 'join':
        return this.#join(channel, message)
      default:
        throw new PeerError('PEER_UNEXPECTED', `Cannot begin a channel with ${message.kind}`)
    }
  }

  #probed(channel: PeerChannel, shard: ShardName): void {
    const { self, notes, log } = this.#options
    if (shard !== this.#options.shard) throw new PeerError('PEER_UNEXPECTED', `Cannot answer for ${shard}`)
    const { ledgerVersion, promisedEpoch, inSync } = notes.note
    const end = { logEpoch: toEpoch(log.epochs().at(-1)?.epoch ?? 0), lastLsn: log.lastLsn }
    this.#send(channel, promisedEpoch, { kind: 'probed', replica: self, ledgerVersion, inSync, ...end })
  }

  async #attach(channel: PeerChannel, attach: Attach): Promise<Taker> {
    const { notes, log, self, events, standsBack } = this.#options
    const { epoch, replica, ledgerVersion } = attach
    const refusal = this.#refusal(attach)
    if (refusal !== null) {
      // It may read the answer; an honest primary closes by itself.
      this.#options.clock.after(REFUSED_LINGER_MS, () => channel.close('refused'))
      return this.#refuse(channel, attach.epoch, refusal)
    }
    this.#dropLink('the primary began another connection')
    const link: Link = {
      number: attach.link,
      epoch,
      primary: replica.id,
      inSync: attach.inSync,
      data: channel,
      others: [],
      sinceMs: this.#options.clock.monotonicMs(),
      phase: 'comparing',
    }
    this.#link = link
    this.#leader = { epoch, id: replica.id }
    await notes.update((note) => ({
      ...note,
      promisedEpoch: toEpoch(Math.max(note.promisedEpoch, epoch)),
      ledgerVersion: Math.max(note.ledgerVersion, ledgerVersion),
      inSync: note.inSync && attach.inSync,
    }))
    events.ledgerVersion(ledgerVersion)
    const outline = await this.#alone(async () => {
      await log.drained()
      return outlineOf(log)
    })
    if (this.#link !== link) throw new PeerError('PEER_STALE', 'Cannot go on: another connection came meanwhile')
    const standing = {
      inSync: notes.note.inSync,
      space: this.#space,
      damaged: this.#damaged,
      standsBack: standsBack(),
    }
    this.#send(channel, epoch, { kind: 'attached', replica: self, ...standing, log: outline })
    const assembler = new Assembler()
    return (message) => this.#onData(link, assembler, message)
  }

  #refusal({ shard, epoch, replica }: Attach): Refusal | null {
    const { notes, events, self } = this.#options
    if (shard !== this.#options.shard || replica.id === self.id) return 'wrong-shard'
    if (epoch < notes.note.promisedEpoch) return 'stale-epoch'
    if (this.#leader?.epoch === epoch && this.#leader.id !== replica.id) return 'stale-epoch'
    if (epoch <= this.#refusedEpoch) return 'below-commit'
    // Asked also while mute: a higher epoch is news to whoever wants to take over.
    return events.mayFollow(epoch) && !this.#muted ? null : 'busy'
  }

  #refuse(channel: PeerChannel, epoch: Epoch, reason: Refusal): Taker {
    const { promisedEpoch, ledgerVersion } = this.#options.notes.note
    this.#send(channel, epoch, { kind: 'refused', reason, promisedEpoch, ledgerVersion })
    this.#options.events.noticed({ kind: 'refused', reason, epoch })
    return () => {} // the refused one reads its answer and closes; what it sent before is of no interest
  }

  #join(channel: PeerChannel, { shard, link: number, epoch }: Extract<PeerMessage, { kind: 'join' }>): Taker {
    const link = this.#link
    if (link === null || shard !== this.#options.shard || link.number !== number || link.epoch !== epoch) {
      throw new PeerError('PEER_STALE', 'Cannot join: there is no such connection')
    }
    link.others.push(channel)
    const assembler = new Assembler()
    return (message) =>
      channel.kind === 'beacon' ? this.#onBeacon(link, channel, message) : this.#onBulk(link, assembler, message)
  }

  #onBeacon(link: Link, channel: PeerChannel, message: PeerMessage): void {
    this.#check(link, message)
    if (message.kind !== 'beacon') throw new PeerError('PEER_UNEXPECTED', `Cannot take ${message.kind} as a beacon`)
    const { clock, log, standsBack, events } = this.#options
    this.#lastBeaconMs = clock.monotonicMs()
    const { sequence, commit, ledgerVersion } = message
    const standing = {
      durable: log.durableLsn,
      space: this.#space,
      damaged: this.#damaged,
      standsBack: standsBack(),
    }
    this.#send(channel, link.epoch, { kind: 'beaconAck', sequence, ...standing })
    events.ledgerVersion(ledgerVersion)
    // Before the comparison the own log may hold other records below that number.
    if (link.phase === 'following') this.#heardCommit(commit)
  }

  #onBulk(link: Link, assembler: Assembler, message: PeerMessage): void {
    this.#check(link, message)
    if (message.kind !== 'batch' && message.kind !== 'more') {
      throw new PeerError('PEER_UNEXPECTED', `Cannot take ${message.kind} on the bulk channel`)
    }
    this.#onRecords(link, assembler, message)
  }

  /** Rule 3: no frame of another epoch, and none of a connection that was replaced. */
  #check(link: Link, message: PeerMessage): void {
    if (this.#link !== link || this.#muted)
      throw new PeerError('PEER_STALE', 'Cannot take frames of a former connection')
    if (message.epoch !== link.epoch || message.epoch < this.#options.notes.note.promisedEpoch) {
      throw new PeerError('PEER_STALE', `Cannot take a frame of epoch ${message.epoch}`)
    }
  }

  async #onData(link: Link, assembler: Assembler, message: PeerMessage): Promise<void> {
    this.#check(link, message)
    if (assembler.open && message.kind !== 'more') {
      throw new PeerError('PEER_UNEXPECTED', `Cannot take ${message.kind} in the middle of a batch`)
    }
    switch (message.kind) {
      case 'position': {
        const chain = await this.#chainAt(message.lsn)
        this.#send(link.data, link.epoch, { kind: 'positionIs', lsn: message.lsn, chain })
        return
      }
      case 'begin':
        // Not awaited: the answers to what it asks for come through here.
        this.#begin(link, message).catch((error: unknown) => this.#bad(link.data, error))
        return
      case 'refused':
        if (message.reason === 'histories-differ') this.#options.events.historiesDiffer()
        return
      case 'batch':
      case 'more':
      case 'fetched':
        this.#onRecords(link, assembler, message)
        return
      case 'ready':
        this.#barrier = { lsn: message.barrier, ledgerVersion: message.ledgerVersion, link }
        this.#tryReady()
        return
      case 'standing':
        await this.#standing(message.ledgerVersion, message.inSync)
        return
      case 'handover':
        this.#options.events.ledgerVersion(message.ledgerVersion)
        this.#options.events.handover(message.ledgerVersion)
        return
      case 'leaving':
        this.#dropLink('the primary leaves')
        return
      case 'fetch':
        await this.#serveFetch(link, message.lsn)
        return
      default:
        throw new PeerError('PEER_UNEXPECTED', `Cannot take ${message.kind} from a primary`)
    }
  }

  /** Work on the end of the log, one piece after another, also across connections. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#logWork.then(work)
    this.#logWork = done.catch(() => {}) // whoever asked hears of it
    return done
  }

  async #chainAt(lsn: Lsn): Promise<Uint8Array | null> {
    try {
      return await this.#options.log.chainAt(lsn)
    } catch (error) {
      if (errorCode(error) === 'LOG_NO_SUCH_RECORD') return null
      throw error
    }
  }

  async #begin(link: Link, { common, reset, tag }: Extract<PeerMessage, { kind: 'begin' }>): Promise<void> {
    const { log, appliedLsn, events, notes } = this.#options
    if (link.phase !== 'comparing') throw new PeerError('PEER_UNEXPECTED', 'Cannot begin twice')
    link.phase = 'beginning'
    if (reset && (common !== 0 || link.inSync || notes.note.inSync)) {
      throw new PeerError('PEER_UNEXPECTED', 'Cannot set aside the log of a replica that may be in sync')
    }
    // What this log does not hold is not cut: the index of one that is copied anew is ahead of it.
    const known = Math.min(log.lastLsn, Math.max(log.commit, appliedLsn()))
    if (!reset && !mayCutAbove(common, toLsn(known)) && !(await this.#isGivenBack(link, common, toLsn(known)))) {
      if (this.#link !== link) return
      this.#refusedEpoch = link.epoch
      this.#refuse(link.data, link.epoch, 'below-commit')
      this.#link = null
      this.#fetches.end()
      for (const channel of link.others) channel.close('refused')
      events.changed()
      return
    }
    const cut = await this.#alone(async () => {
      if (this.#link !== link) return null
      const tail = await log.cutAbove(common)
      if (Buffer.from(log.tag).equals(tag)) return tail
      if (log.lastLsn > 0) throw new PeerError('PEER_UNEXPECTED', 'Cannot continue the log of another history')
      await log.adopt(tag)
      return tail
    })
    if (cut !== null) events.noticed({ kind: 'cut', ...cut })
    await this.#mendEnd(link)
    if (this.#link !== link) return
    log.trustEnd()
    this.#primaryCommit = Math.min(this.#primaryCommit, log.lastLsn)
    link.phase = 'following'
    this.#send(link.data, link.epoch, { kind: 'begun', lastLsn: log.lastLsn, cutBytes: cut?.bytes ?? 0 })
    events.changed()
  }

  /** A commit that is known here, and whose records are lost, is defended against nobody who holds it: they come anew after the cut. */
  async #isGivenBack(link: Link, common: Lsn, known: Lsn): Promise<boolean> {
    const { log } = this.#options
    if (!isLostAbove(common, log)) return false
    // A header that can still be read would show whether it is the same record.
    for (let lsn = common + 1; lsn <= known; lsn++) if ((await this.#chainAt(toLsn(lsn))) !== null) return false
    const held = await this.#fetches.ask(known, () => this.#send(link.data, link.epoch, { kind: 'fetch', lsn: known }))
    return this.#link === link && held !== null
  }

  /** Rule 14: what comes next continues the chain of the last record, so that one must be whole before anything is taken. */
  async #mendEnd(link: Link): Promise<void> {
    const { log, events } = this.#options
    for (;;) {
      const range = log.rotten.find(({ last }) => last >= log.lastLsn)
      if (range === undefined || this.#link !== link) return
      const ask = (lsn: Lsn) => this.#fetches.ask(lsn, () => this.#send(link.data, link.epoch, { kind: 'fetch', lsn }))
      const around = await rottenAround(log, toLsn(range.first))
      const records = await fetchRange(ask, around)
      if (this.#link !== link) return
      if (records.length === 0)
        throw new PeerError('PEER_UNEXPECTED', `Cannot go on: record ${around.first} is rotten here and there`)
      await log.repair(records)
      for (const { lsn } of records)
        events.noticed({ kind: 'repaired', lsn, why: 'fetched from the peer before anything new' })
    }
  }

  #onRecords(link: Link, assembler: Assembler, message: Records): void {
    if (link.phase === 'comparing')
      throw new PeerError('PEER_UNEXPECTED', 'Cannot take records before the logs were compared')
    const whole = assembler.take(message)
    if (whole === null) return
    const { head, chunks } = whole
    if (head.kind === 'fetched') {
      this.#fetches.answered(whole)
      return
    }
    if (link.phase !== 'following') throw new PeerError('PEER_UNEXPECTED', 'Cannot take records before the word begun')
    this.#receivedBytes += head.byteCount
    this.#received.push({ last: head.firstLsn + head.recordCount - 1, bytes: head.byteCount })
    if (this.#receivedBytes > RECEIVED_BYTES_MAX) {
      throw new PeerError('PEER_TOO_MUCH', `Cannot hold ${this.#receivedBytes} bytes that are not durable`)
    }
    const { of, firstLsn, recordCount, byteCount } = head
    if (recordCount === 0 || of > link.epoch) throw new PeerError('PEER_MALFORMED', 'Cannot take such a batch')
    this.#options.log.appendRaw({ epoch: of, firstLsn, recordCount, byteCount, chunks })
    this.#heardCommit(head.commit)
  }

  get #space(): PeerSpace {
    const { space, log, featureLevel } = this.#options
    const { freeBytes, totalBytes } = space()
    const mayTell = featureLevel() >= LEVEL_OF_PEER_SPACE
    return { freeBytes: log.full ? 0 : freeBytes, totalBytes: mayTell ? totalBytes : null, full: log.full }
  }

  get #damaged(): boolean {
    const { rotten, endInDoubt } = this.#options.log
    return rotten.length > 0 || endInDoubt
  }

  #heardCommit(commit: Lsn): void {
    if (commit <= this.#primaryCommit) return
    this.#primaryCommit = commit
    this.#tellCommit()
  }

  #tellCommit(): void {
    const { commit } = this
    if (commit === 0) return
    this.#options.log.noteCommit(commit)
    this.#options.events.commit(commit)
  }

  #acknowledge(link: Link): void {
    const { freeBytes } = this.#space
    this.#send(link.data, link.epoch, { kind: 'ack', durable: this.#options.log.durableLsn, freeBytes })
  }

  /** Rule 5: durable up to the barrier, then the note, then the word. */
  #tryReady(): void {
    const asked = this.#barrier
    const { log, notes, events } = this.#options
    if (asked === null || log.durableLsn < asked.lsn) return
    this.#barrier = null
    const { link, ledgerVersion } = asked
    if (this.#link !== link) return
    const stored = notes.update((note) => {
      const still = this.#link === link
      return {
        ...note,
        ledgerVersion: Math.max(note.ledgerVersion, ledgerVersion),
        inSync: still ? true : note.inSync,
      }
    })
    stored.then(
      () => {
        if (this.#link === link) this.#send(link.data, link.epoch, { kind: 'readied', ledgerVersion })
      },
      (error: unknown) => events.failed(error),
    )
  }

  async #standing(ledgerVersion: number, inSync: boolean): Promise<void> {
    const { notes, events } = this.#options
    events.ledgerVersion(ledgerVersion)
    await notes.update((note) => ({
      ...note,
      ledgerVersion: Math.max(note.ledgerVersion, ledgerVersion),
      inSync: note.inSync && inSync,
    }))
  }

  async #serveFetch(link: Link, lsn: Lsn): Promise<void> {
    let bytes: Uint8Array
    try {
      bytes = await this.#options.log.readRawRecord(lsn)
    } catch {
      bytes = new Uint8Array(0) // not here, or rotten here too: the asker hears that there is nothing
    }
    for (const frame of encodeFetched(link.epoch, lsn, bytes)) link.data.send(frame)
  }

  #send(channel: PeerChannel, epoch: Epoch, message: PeerFields): void {
    channel.send(encodeMessage(epoch, message))
  }

  #bad(channel: PeerChannel, error: unknown): void {
    const code = errorCode(error) ?? 'UNKNOWN'
    this.#options.events.noticed({ kind: 'bad-frame', code, message: errorMessage(error) })
    channel.close(code)
    this.#closed(channel, code)
    // Of the peer's making: what it sent is refused. Everything else is of ours: a disk, a bug.
    if (!(error instanceof PeerError) && code !== 'LOG_BAD_BATCH') this.#options.events.failed(error)
  }

  #closed(channel: PeerChannel, reason: string): void {
    const link = this.#link
    if (link === null) return
    if (link.data === channel) this.#dropLink(reason)
    else if (link.others.includes(channel)) link.others.splice(link.others.indexOf(channel), 1)
  }

  #dropLink(reason: string): void {
    const link = this.#link
    if (link === null) return
    this.#link = null
    this.#barrier = null
    this.#fetches.end()
    for (const channel of [link.data, ...link.others]) channel.close(reason)
    this.#options.events.noticed({ kind: 'link-closed', reason })
    this.#options.events.changed()
  }
}
