/**
 * Reads segment files as docs/internals/log.md describes them, with nothing of the log's own code but CRC32C, and proves what
 * a second reader would rely on: dense LSNs, true hashes, one unbroken chain, epochs and synced marks that never go back.
 */
import { createHash } from 'node:crypto'
import { crc32c } from '#lib/bytes/crc32c.ts'
import { AssertionFailure } from '#lib/errors/assert.ts'

/** @param files Segment files in order of their names. @returns The last LSN. */
export function checkRawLog(files: readonly (readonly [name: string, bytes: Buffer])[]): number {
  let lsn = 0
  let epoch = 0
  let synced = 0
  let chain: Buffer = Buffer.alloc(32)
  for (const [i, [name, bytes]] of files.entries()) {
    const check = (condition: boolean, claim: string) => {
      if (!condition) throw new AssertionFailure(`${name}: ${claim}`)
    }
    const tag = bytes.subarray(8, 16)
    const seed = crc32c(tag)
    check(bytes.toString('latin1', 0, 4) === 'TPS1', 'begins with a segment header')
    check(bytes.readUInt32BE(188) === crc32c(bytes.subarray(0, 188)), 'segment header passes its checksum')
    check(Number(bytes.readBigUInt64BE(16)) === lsn + 1, `begins at ${lsn + 1}`)
    check(bytes.subarray(32, 64).equals(chain), 'continues the chain')
    let at = 192
    while (bytes.toString('latin1', at, at + 4) === 'TPB1') {
      check(bytes.readUInt32BE(at + 68) === crc32c(bytes.subarray(at, at + 68)), `batch header at ${at} passes`)
      check(bytes.subarray(at + 8, at + 16).equals(tag), `batch header at ${at} is of this log`)
      check(Number(bytes.readBigUInt64BE(at + 16)) >= epoch, `epoch at ${at} does not go back`)
      check(Number(bytes.readBigUInt64BE(at + 24)) === lsn + 1, `batch at ${at} begins at ${lsn + 1}`)
      const marked = Number(bytes.readBigUInt64BE(at + 40))
      check(marked >= synced && marked <= lsn, `synced mark ${marked} at ${at} lies between ${synced} and ${lsn}`)
      synced = marked
      epoch = Number(bytes.readBigUInt64BE(at + 16))
      const end = at + 72 + bytes.readUInt32BE(at + 36)
      let count = bytes.readUInt32BE(at + 32)
      for (at += 72; count > 0; ) {
        check(bytes.toString('latin1', at, at + 4) === 'TPR1', `a record header stands at ${at}`)
        check(bytes.readUInt32BE(at + 116) === crc32c(bytes.subarray(at, at + 116), seed), `header at ${at} passes`)
        check(Number(bytes.readBigUInt64BE(at + 8)) === ++lsn, `record at ${at} is ${lsn}`)
        check(Number(bytes.readBigUInt64BE(at + 16)) === epoch, `record at ${at} has the batch's epoch`)
        const bodyAt = at + 120 + bytes.readUInt32BE(at + 32)
        const next = bodyAt + bytes.readUInt32BE(at + 36)
        const content = createHash('sha256')
          .update(bytes.subarray(at + 120, next))
          .digest()
        check(content.equals(bytes.subarray(at + 40, at + 72)), `record ${lsn} passes its hash`)
        check(bytes.readUInt32BE(at + 104) === crc32c(bytes.subarray(at + 120, bodyAt)), `meta of ${lsn} passes`)
        check(bytes.readUInt32BE(at + 108) === crc32c(bytes.subarray(bodyAt, next)), `body of ${lsn} passes`)
        const dropped = bytes.readUInt16BE(at + 4) === 1
        const span = dropped ? bytes.readUInt32BE(at + 112) + 1 : 1
        lsn += span - 1
        count -= span
        // A dropped run gives the value of its last record; what follows proves it.
        chain = dropped
          ? Buffer.from(bytes.subarray(at + 72, at + 104))
          : createHash('sha256')
              .update(bytes.subarray(at + 6, at + 72))
              .update(chain)
              .digest()
        check(chain.equals(bytes.subarray(at + 72, at + 104)), `record ${lsn} follows in the chain`)
        at = next
      }
      check(at === end, `batch before ${at} has the length it says`)
    }
    const last = i === files.length - 1
    check(last || bytes.toString('latin1', bytes.length - 128, bytes.length - 124) === 'TPF1', 'is sealed')
  }
  return lsn
}
