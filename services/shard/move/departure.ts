/**
 * The side of a move that the account leaves, and that drives it: gathers facts, asks `decide.ts`, carries out one action, and again. All that
 * counts is in the logs of both shards, so that a new primary of either goes on where the old one was.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { MoveAnswer, MoveAsk, MovePhase, MoveProgress } from '#lib/frames/move.ts'
import { type AccountId, type ShardName, toLsn } from '#lib/mail/types.ts'
import type { MoveRow } from '../index/move-rows.ts'
import type { StoreCore } from '../mailbox/store-core.ts'
import type { OutgoingQueue } from '../queue/outgoing-queue.ts'
import { RecordType } from '../records/types.ts'
import type { Pacer } from '../upkeep/pace.ts'
import { commitStep } from './commit.ts'
import { Copier, CopyStopped } from './copier.ts'
import { decideMove, type MoveAction, type MoveFacts, type TargetFacts } from './decide.ts'
import { COPY_BYTES_PER_SECOND, FREEZE_MS, RETRY_MS } from './limits.ts'
import type { MoveNotice } from './notices.ts'
import type { MovePeer } from './peer.ts'
import { sendLetter } from './queue-copy.ts'

export interface DepartureOptions {
  readonly core: StoreCore
  /** This shard. */
  readonly source: ShardName
  readonly move: MoveRow
  readonly peer: MovePeer
  readonly queue: Pick<OutgoingQueue, 'handOver'>
  readonly pacer: Pacer
  /** Moves that share the bandwidth now. */
  readonly sharers: () => number
  readonly onNotice: (notice: MoveNotice) => void
}

const UNKNOWN: TargetFacts = { kind: 'unknown' }

export class Departure {
  readonly #options: DepartureOptions
  readonly account: AccountId
  #copier: Copier | null = null
  #target: TargetFacts = UNKNOWN
  #awaySinceMs: number | null = null
  #rounds = 0
  #lastRound: MoveFacts['lastRound'] = null
  #freezes = 0
  #failures = 0
  #queued: number | null = null
  #queuedSinceMs: number | null = null
  #frozenSinceMs: number | null = null
  #freezeMs: number | null = null
  #phase: MovePhase = 'requested'
  #reason = ''
  #copied = { messages: 0, bytes: 0 }

  constructor(options: DepartureOptions) {
    this.#options = options
    this.account = options.move.account
  }

  get progress(): MoveProgress {
    const { core, source, move } = this.#options
    const account = core.accounts.peek(this.account)
    let messages = 0
    if (account !== undefined && !account.gone) for (const { row } of account.all()) messages += row.messages
    return {
      account: this.account,
      move: move.move,
      source,
      target: move.peer,
      phase: this.#phase,
      generation: move.generation,
      startedMs: move.atMs,
      messages,
      copiedMessages: this.#copied.messages + (this.#copier?.messages ?? 0),
      copiedBytes: this.#copied.bytes + (this.#copier?.bytes ?? 0),
      freezeMs: this.#freezeMs === null ? null : Math.round(this.#freezeMs),
      reason: this.#reason,
    }
  }

  /** Resolves when the move is over, or when this process is not to go on with it. Never rejects for what it expects. */
  async run(): Promise<void> {
    const { pacer } = this.#options
    while (!pacer.stopped) {
      const action = decideMove(this.#facts())
      if (action.kind === 'nothing') return
      if (await this.#tried(action)) continue
      if (!(await pacer.wait(RETRY_MS))) return
    }
  }

  #facts(): MoveFacts {
    const { core, move } = this.#options
    const row = core.index.moves.move(this.account)
    const mine = row !== null && row.direction === 'out' && row.move === move.move ? row : null
    const phase = mine?.phase
    const source = phase === 'copying' || phase === 'decided' || phase === 'cancelling' ? phase : 'over'
    return {
      source,
      served: core.accounts.get(this.account) !== null,
      generation: move.generation,
      target: this.#target,
      rounds: this.#rounds,
      lastRound: this.#lastRound,
      failures: this.#failures,
      failure: this.#reason,
      freezes: this.#freezes,
      queued: this.#queued,
      queuedForMs: this.#queuedSinceMs === null ? 0 : core.clock.monotonicMs() - this.#queuedSinceMs,
    }
  }

  /** @returns False: wait a little before the next look */
  async #tried(action: Exclude<MoveAction, { kind: 'nothing' }>): Promise<boolean> {
    const { core, move, onNotice } = this.#options
    try {
      core.check()
      return await this.#carryOut(action)
    } catch (error) {
      this.#forgetCopier()
      if (error instanceof CopyStopped) {
        this.#heard(error.answer)
        return false
      }
      // The link, or this shard, which may be about to be no primary any more.
      const nowMs = core.clock.monotonicMs()
      this.#awaySinceMs ??= nowMs
      this.#target = { kind: 'away', forMs: nowMs - this.#awaySinceMs }
      const why = errorMessage(error)
      this.#failures++
      if (this.#reason !== why) onNotice({ kind: 'waits', account: this.account, move: move.move, why })
      this.#reason = why
      return false
    }
  }

  async #carryOut(action: Exclude<MoveAction, { kind: 'nothing' }>): Promise<boolean> {
    const { move } = this.#options
    const { generation } = move
    switch (action.kind) {
      case 'ask':
        await this.#ask({ kind: 'state' })
        return true
      case 'offer':
        this.#forgetCopier()
        await this.#ask({ kind: 'offer', generation })
        return true
      case 'copy':
        await this.#copy()
        return true
      case 'freeze':
        return await this.#freeze()
      case 'yield':
        await this.#yield()
        return true
      case 'tell-own':
        this.#phase = 'flipping'
        await this.#ask({ kind: 'own', generation })
        return this.#target.kind === 'owned'
      case 'hand-over':
        return await this.#handOver()
      case 'drop':
        await this.#ask({ kind: 'drop' })
        return this.#target.kind === 'none'
      case 'cancel':
        await this.#cancel(action.reason)
        return true
      case 'end':
        await this.#end()
        return true
      case 'wait':
        this.#reason = action.reason
        this.#target = UNKNOWN
        return false
      default:
        return action satisfies never
    }
  }

  async #ask(question: { kind: 'state' | 'drop' } | { kind: 'offer' | 'own'; generation: number }): Promise<void> {
    const { peer, move, source } = this.#options
    const about = { account: this.account, move: move.move, source }
    this.#heard(await peer.ask({ ...question, ...about } satisfies MoveAsk))
  }

  #heard(answer: MoveAnswer): void {
    this.#awaySinceMs = null
    switch (answer.state) {
      case 'owned':
        this.#target = { kind: 'owned', generation: answer.generation }
        return
      case 'refuses':
        this.#target = { kind: 'refuses', reason: answer.reason }
        return
      case 'again':
        this.#target = UNKNOWN
        return
      default:
        this.#target = { kind: answer.state }
    }
  }

  async #copy(): Promise<void> {
    const { core } = this.#options
    this.#phase = this.#lastRound === null ? 'copying' : 'catching-up'
    const beganMs = core.clock.monotonicMs()
    const changes = await this.#copierNow().round()
    this.#lastRound = { ms: core.clock.monotonicMs() - beganMs, changes }
    this.#rounds++
    this.#failures = 0
    this.#reason = ''
  }

  #copierNow(): Copier {
    const { core, move, peer, pacer, source, sharers } = this.#options
    const pace = pacer.at(() => COPY_BYTES_PER_SECOND / Math.max(1, sharers()))
    this.#copier ??= new Copier({ core, move, peer, source, pace })
    return this.#copier
  }

  /** What it knew is not true any more, or may not be. */
  #forgetCopier(): void {
    if (this.#copier !== null) {
      this.#copied.messages += this.#copier.messages
      this.#copied.bytes += this.#copier.bytes
    }
    this.#copier = null
    this.#lastRound = null
  }

  /** Writes wait from here until the decision, or until it takes too long. */
  async #freeze(): Promise<boolean> {
    const { core, onNotice } = this.#options
    const account = core.account(this.account)
    const beganMs = core.clock.monotonicMs()
    const wait = account.lock.exclusive()
    if (wait !== null) await wait
    this.#phase = 'freezing'
    let last: Promise<number> | null = null
    try {
      core.check()
      if (account.gone) return true
      const copier = this.#copierNow()
      last = this.#finish(copier)
      const upTo = await this.#within(last, FREEZE_MS)
      if (upTo === null) {
        this.#freezes++
        onNotice({ kind: 'freeze-in-vain', account: this.account, ms: FREEZE_MS, why: 'it took too long' })
      } else {
        this.#frozenSinceMs = beganMs
        await this.#decide(upTo)
        const lockedMs = core.clock.monotonicMs() - beganMs
        const { peer: to, move } = this.#options.move
        onNotice({ kind: 'moved', account: this.account, to, move, lockedMs })
      }
    } finally {
      account.lock.releaseExclusive()
    }
    // What is under way comes to its end before the next round begins; what it met shows there.
    if (this.#freezes > 0) await last
    this.#lastRound = null
    return true
  }

  /** The rest, and the target's word that it has it. @returns Up to which LSN of this log */
  async #finish(copier: Copier): Promise<number> {
    const upTo = this.#options.core.index.appliedLsn
    await copier.round(upTo)
    this.#target = { kind: 'ready' }
    return upTo
  }

  #within<T>(work: Promise<T>, ms: number): Promise<T | null> {
    const { promise, resolve } = Promise.withResolvers<null>()
    const cancel = this.#options.core.clock.after(ms, () => resolve(null))
    return Promise.race([work, promise]).finally(cancel)
  }

  /** The record that decides. Until it is settled nothing of the account is written here. */
  async #decide(upTo: number): Promise<void> {
    const { core, move } = this.#options
    await commitStep(core, [
      {
        type: RecordType.accountMoved,
        account: this.account,
        target: move.peer,
        generation: move.generation,
        upTo: toLsn(upTo),
      },
    ])
    this.#phase = 'flipping'
  }

  async #yield(): Promise<void> {
    const account = this.#options.core.accounts.get(this.account)
    const wait = account?.lock.exclusive() ?? null
    if (wait !== null) await wait
    try {
      await this.#decide(0)
    } finally {
      account?.lock.releaseExclusive()
    }
  }

  /** @returns Whether all letters have followed */
  async #handOver(): Promise<boolean> {
    const { core, source, queue, move, peer } = this.#options
    this.#served()
    this.#phase = 'cleaning'
    this.#queuedSinceMs ??= core.clock.monotonicMs()
    this.#queued ??= 1 // at least, until it is known
    this.#queued = await queue.handOver(source, this.account, (letter) =>
      sendLetter({ core, move, peer, source }, letter),
    )
    return this.#queued === 0
  }

  /** The target serves: writes have waited until now. */
  #served(): void {
    if (this.#frozenSinceMs === null) return
    this.#freezeMs = this.#options.core.clock.monotonicMs() - this.#frozenSinceMs
    this.#frozenSinceMs = null
  }

  async #cancel(reason: string): Promise<void> {
    const { core } = this.#options
    await commitStep(core, [{ type: RecordType.moveCancel, account: this.account, reason }])
    this.#target = UNKNOWN
  }

  async #end(): Promise<void> {
    const { core, move, onNotice } = this.#options
    const row = core.index.moves.move(this.account)
    const decided = row?.phase === 'decided'
    if (decided) this.#served()
    const reason = row?.reason ?? ''
    const phase = decided ? 'done' : reason === CANCELLED ? 'cancelled' : 'failed'
    if (decided) this.#phase = 'cleaning'
    await commitStep(core, [{ type: RecordType.moveEnd, account: this.account }])
    this.#phase = phase
    this.#reason = reason
    const { copiedMessages: messages, copiedBytes: bytes } = this.progress
    const freezeMs = this.#freezeMs
    onNotice({ kind: 'over', account: this.account, move: move.move, phase, freezeMs, messages, bytes, reason })
  }
}

/** Reason of a move that somebody wished to end. */
export const CANCELLED = 'it was cancelled'
