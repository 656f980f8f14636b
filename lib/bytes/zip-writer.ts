/**
 * A zip file as it is written (APPNOTE.TXT 6.3.10), entry by entry, bytes for whoever holds the file; memory is one entry and the list of names.
 * Sizes and offsets beyond 4 GiB and more than 65,535 entries get the 64-bit records.
 */
import { crc32, deflateRawSync } from 'node:zlib'

interface Entry {
  readonly name: Buffer
  readonly crc: number
  readonly packed: number
  readonly plain: number
  readonly offset: number
  readonly time: number
}

const U16_MAX = 0xffff
const U32_MAX = 0xffff_ffff
/** Names are UTF-8. */
const FLAG_UTF8 = 0x0800
const DEFLATED = 8

export class ZipWriter {
  readonly #entries: Entry[] = []
  #offset = 0

  /** @param name With `/` between folders. @returns What comes next in the file */
  add(name: string, bytes: Uint8Array, date: Date): Buffer {
    const packed = deflateRawSync(bytes)
    const entry: Entry = {
      name: Buffer.from(name),
      crc: crc32(bytes),
      packed: packed.length,
      plain: bytes.length,
      offset: this.#offset,
      time: dosTime(date),
    }
    this.#entries.push(entry)
    const header = Buffer.alloc(30)
    header.writeUInt32LE(0x04034b50, 0)
    writeCommon(header, 4, entry)
    header.writeUInt16LE(0, 28)
    return this.#out(Buffer.concat([header, entry.name, packed]))
  }

  /** The directory: without it the file cannot be read. */
  end(): Buffer {
    const pieces: Buffer[] = []
    const start = this.#offset
    for (const entry of this.#entries) {
      const far = entry.offset >= U32_MAX
      const extra = far ? zip64Extra(entry.offset) : Buffer.alloc(0)
      const header = Buffer.alloc(46)
      header.writeUInt32LE(0x02014b50, 0)
      header.writeUInt16LE(45, 4)
      writeCommon(header, 6, entry)
      header.writeUInt16LE(extra.length, 30)
      header.writeUInt32LE(far ? U32_MAX : entry.offset, 42)
      pieces.push(this.#out(Buffer.concat([header, entry.name, extra])))
    }
    const size = this.#offset - start
    const count = this.#entries.length
    if (count >= U16_MAX || start >= U32_MAX || size >= U32_MAX)
      pieces.push(this.#out(zip64End(count, size, start, this.#offset)))
    const end = Buffer.alloc(22)
    end.writeUInt32LE(0x06054b50, 0)
    end.writeUInt16LE(Math.min(count, U16_MAX), 8)
    end.writeUInt16LE(Math.min(count, U16_MAX), 10)
    end.writeUInt32LE(Math.min(size, U32_MAX), 12)
    end.writeUInt32LE(Math.min(start, U32_MAX), 16)
    return Buffer.concat([...pieces, this.#out(end)])
  }

  #out(bytes: Buffer): Buffer {
    this.#offset += bytes.length
    return bytes
  }
}

/** A whole file at once. @param files Contents by name */
export function zipOf(files: Readonly<Record<string, Uint8Array>>): Buffer {
  const zip = new ZipWriter()
  const entries = Object.entries(files).map(([name, bytes]) => zip.add(name, bytes, new Date(0)))
  return Buffer.concat([...entries, zip.end()])
}

/** What local and central headers have in common, from the version needed to the length of the name. */
function writeCommon(header: Buffer, at: number, { crc, packed, plain, name, time }: Entry): void {
  header.writeUInt16LE(45, at)
  header.writeUInt16LE(FLAG_UTF8, at + 2)
  header.writeUInt16LE(DEFLATED, at + 4)
  header.writeUInt32LE(time, at + 6)
  header.writeUInt32LE(crc, at + 10)
  header.writeUInt32LE(packed, at + 14)
  header.writeUInt32LE(plain, at + 18)
  header.writeUInt16LE(name.length, at + 22)
}

function zip64Extra(offset: number): Buffer {
  const extra = Buffer.alloc(12)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(8, 2)
  extra.writeBigUInt64LE(BigInt(offset), 4)
  return extra
}

function zip64End(count: number, size: number, start: number, at: number): Buffer {
  const end = Buffer.alloc(76)
  end.writeUInt32LE(0x06064b50, 0)
  end.writeBigUInt64LE(44n, 4)
  end.writeUInt16LE(45, 12)
  end.writeUInt16LE(45, 14)
  end.writeBigUInt64LE(BigInt(count), 24)
  end.writeBigUInt64LE(BigInt(count), 32)
  end.writeBigUInt64LE(BigInt(size), 40)
  end.writeBigUInt64LE(BigInt(start), 48)
  end.writeUInt32LE(0x07064b50, 56)
  end.writeBigUInt64LE(BigInt(at), 64)
  end.writeUInt32LE(1, 72)
  return end
}

/** Two seconds are the finest step; before 1980 there is no time. */
function dosTime(date: Date): number {
  if (date.getUTCFullYear() < 1980) return (1 << 21) | (1 << 16)
  const day = ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate()
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1)
  return ((day << 16) | time) >>> 0
}
