/**
 * An index in memory that can come back as it was some batches ago: what a crash leaves of the file. It remembers each batch that was
 * applied, not the log, so that an index which once held something that was not committed still holds it after a crash.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'
import { toLsn } from '#lib/mail/types.ts'
import { IndexConnection } from '#shard/index/connection.ts'
import type { CommittedRecord, ShardIndex } from '#shard/index/port.ts'
import { SqliteIndex } from '#shard/index/sqlite-index.ts'

export interface AppliedBatch {
  readonly records: readonly CommittedRecord[]
  readonly upTo: number
}

export class IndexImage {
  #batches: AppliedBatch[] = []

  get batchCount(): number {
    return this.#batches.length
  }

  /** The volume is gone. */
  forget(): void {
    this.#batches = []
  }

  /** The index as it was after the first `kept` batches; it goes on from there. */
  restore(kept: number): ShardIndex {
    this.#batches = this.#batches.slice(0, kept)
    const index = emptyIndex()
    const last = this.#batches.at(-1)
    if (last !== undefined) {
      index.apply(
        this.#batches.flatMap(({ records }) => records),
        toLsn(last.upTo),
      )
    }
    return this.#recording(index)
  }

  #recording(index: SqliteIndex): ShardIndex {
    const batches = this.#batches
    const apply = index.apply.bind(index)
    index.apply = (records, upTo) => {
      const rows = apply(records, upTo)
      batches.push({ records: [...records], upTo })
      return rows
    }
    return index
  }
}

/** Nobody uses them now. To open one costs more than all that a short life writes to it. */
const unused: IndexConnection[] = []

/** An index that holds nothing, in memory. Its connection serves others after it was closed, so nothing may be applied any more then. */
export function emptyIndex(): SqliteIndex {
  const connection = unused.pop() ?? new IndexConnection(':memory:')
  const index = new SqliteIndex(connection)
  index.close = () => {
    index.close = () => {}
    index.apply = () => {
      throw new AssertionFailure('Nothing is applied to an index that was closed')
    }
    connection.empty()
    unused.push(connection)
  }
  return index
}
