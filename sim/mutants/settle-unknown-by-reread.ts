/** Takes an unknown swap for failed when the ledger still shows the old version. */
import { LedgerAgent as Agent, type Change, type SwapResult } from '#shard/ledger/agent.ts'
import type { LedgerEntry } from '#shard/ledger/types.ts'

export * from '#shard/ledger/agent.ts'

export class LedgerAgent extends Agent {
  #given: readonly LedgerEntry[] = []

  override get mayHold(): readonly LedgerEntry[] {
    return super.mayHold.filter((entry) => !this.#given.includes(entry))
  }

  override get settled(): boolean {
    return this.mayHold.length <= 1
  }

  override async read(): Promise<boolean> {
    const answered = await super.read()
    const { base, found } = this
    if (answered && base !== null && found?.nonce === base.nonce) {
      this.#given = super.mayHold.filter((entry) => entry !== base)
    }
    return answered
  }

  override async swap(from: LedgerEntry | null, change: Change): Promise<SwapResult> {
    if (!this.swapping && !this.settled && (await this.read()) && this.settled) return 'settled'
    return super.swap(from, change)
  }
}
