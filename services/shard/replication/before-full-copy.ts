/**
 * Before a mirror sets its log aside for a full copy: whoever gives the copy reads all of its own log once, because what rotted here unnoticed
 * may be whole only there. Costs one more reading of the log, for something that is rare.
 *
 * Invariant: no log is given up for one that cannot be read.
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import { PeerError } from './errors.ts'
import type { ReplicaLog } from './ports.ts'
import { type Fetch, fetchRange, rottenAround } from './repairer.ts'

/** @throws {PeerError} PEER_REFUSED if a record is rotten on both sides: then each keeps what it has */
export async function makeReadable(log: ReplicaLog, fetch: Fetch, onRepaired: (lsn: Lsn) => void): Promise<void> {
  const last = log.durableLsn
  for (let lsn = toLsn(1); lsn <= last; ) {
    try {
      await log.scan(lsn, last, { bodies: true }, (record) => {
        lsn = toLsn(record.lsn + 1)
      })
      return
    } catch (error) {
      if (errorCode(error) !== 'LOG_ROTTEN_RECORD') throw error
      const [first] = log.rotten.filter((range) => range.last >= lsn)
      if (first === undefined) throw error
      const records = await fetchRange(fetch, await rottenAround(log, toLsn(Math.max(first.first, lsn))))
      if (records.length === 0) {
        throw new PeerError('PEER_REFUSED', `Cannot give a full copy: record ${first.first} is rotten here and there`)
      }
      await log.repair(records)
      for (const one of records) onRepaired(one.lsn)
    }
  }
}
