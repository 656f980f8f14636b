/**
 * The folder of one replica: who it is, who holds it, and what it has promised. Files: `superblock`, `note`, and the
 * folder `log/`; the lock lies beside them.
 *
 * Invariants: the superblock is written once, after the first note, and never changed; a note is replaced as a whole and is
 * durable before `storeNote` resolves; the incarnation is made with the folder, so a disk that came back empty is another replica
 * (rule 11).
 */

import { crc32c } from '#lib/bytes/crc32c.ts'
import { ByteReader } from '#lib/bytes/reader.ts'
import { ByteWriter } from '#lib/bytes/writer.ts'
import { errorCode } from '#lib/errors/coded-error.ts'
import { type Epoch, type ShardName, toEpoch, toShardName } from '#lib/mail/types.ts'
import type { Disk } from '#lib/ports/disk.ts'
import { type Random, randomId } from '#lib/ports/random.ts'
import { ReplicaError } from './errors.ts'
import { asBuffer } from './format.ts'
import type { HeldLock, ReplicaLock } from './lock.ts'
import { makeDurableDirectory, writeDurableFile } from './segments.ts'

const FORMAT_VERSION = 1
/** A note that has a jump due: a binary that cannot carry it out must not open it. All others are written as version 1. */
const NOTE_VERSION_WITH_JUMP = 2
const SUPERBLOCK_MAGIC = 0x5450_4431 // 'TPD1'
const NOTE_MAGIC = 0x5450_4e31 // 'TPN1'
const INCARNATION_LENGTH = 26 // 130 bits of chance

export interface Superblock {
  readonly shard: ShardName
  /** Which of the shard's two replicas, as `n1-0`. */
  readonly replica: string
  readonly incarnation: string
  readonly createdMs: number
}

/** What a replica must remember whatever happens to the ledger. */
export interface ReplicaNote {
  /** Frames of lower epochs are refused. */
  readonly highestEpochPromised: Epoch
  readonly highestLedgerVersion: number
  /** Whether the replica was in the in-sync set of that ledger version. */
  readonly inSync: boolean
  /** A forced recovery began here: so many UIDs are passed over when it next writes as primary (rule 11). 0: none. */
  readonly jumpUids: number
}

export interface ReplicaDirectoryOptions {
  readonly disk: Disk
  readonly directory: string
  readonly shard: ShardName
  /** Not given: any replica of the shard will do, and a new one is named by its incarnation. */
  readonly replica?: string
  readonly random: Random
  readonly nowMs: number
  readonly lock: ReplicaLock
  /** False: a folder without a replica is an error. */
  readonly create?: boolean
}

export class ReplicaDirectory {
  readonly superblock: Superblock
  /** Whether this call made the replica. */
  readonly created: boolean
  readonly #disk: Disk
  readonly #directory: string
  readonly #held: HeldLock
  #note: ReplicaNote

  /**
   * Takes the folder for this process, making it if it is not there.
   * @throws {ReplicaError} REPLICA_MISSING, REPLICA_LOCKED, REPLICA_FOREIGN, REPLICA_FORMAT_NEWER, REPLICA_DAMAGED
   */
  static async open(options: ReplicaDirectoryOptions): Promise<ReplicaDirectory> {
    const { disk, directory, shard, replica, create = true } = options
    if (!create && !(await disk.list(directory)).includes('superblock')) {
      throw new ReplicaError('REPLICA_MISSING', `Cannot open ${directory}: it holds no replica`)
    }
    await makeDurableDirectory(disk, directory)
    const held = await options.lock.take(`${directory}/lock`)
    try {
      const found = await readWhole(disk, `${directory}/superblock`)
      const superblock = found === null ? await createReplica(options) : decodeSuperblock(found, directory)
      if (superblock.shard !== shard || (replica !== undefined && superblock.replica !== replica)) {
        throw new ReplicaError(
          'REPLICA_FOREIGN',
          `Cannot open ${directory} as ${shard} ${replica ?? ''}: it belongs to ${superblock.shard} ${superblock.replica}`,
        )
      }
      const note = await readWhole(disk, `${directory}/note`)
      if (note === null) throw damaged(directory, 'note')
      return new ReplicaDirectory(options, held, superblock, decodeNote(note, directory), found === null)
    } catch (error) {
      await held.release()
      throw error
    }
  }

  private constructor(
    options: ReplicaDirectoryOptions,
    held: HeldLock,
    superblock: Superblock,
    note: ReplicaNote,
    created: boolean,
  ) {
    this.superblock = superblock
    this.created = created
    this.#disk = options.disk
    this.#directory = options.directory
    this.#held = held
    this.#note = note
  }

  get note(): ReplicaNote {
    return this.#note
  }

  /** Where `Log.open` finds the log. */
  get logDirectory(): string {
    return `${this.#directory}/log`
  }

  /** When it resolves, the note survives a crash. Calls must not overlap. */
  async storeNote(note: ReplicaNote): Promise<void> {
    await writeWhole(this.#disk, `${this.#directory}/note`, encodeNote(note))
    this.#note = note
  }

  async close(): Promise<void> {
    await this.#held.release()
  }
}

/** The note comes first: a folder counts as made when it has a superblock. */
async function createReplica(options: ReplicaDirectoryOptions): Promise<Superblock> {
  const { disk, directory, shard, random, nowMs } = options
  const incarnation = randomId(random, INCARNATION_LENGTH)
  const superblock = { shard, replica: options.replica ?? incarnation, incarnation, createdMs: nowMs }
  const note = { highestEpochPromised: toEpoch(0), highestLedgerVersion: 0, inSync: false, jumpUids: 0 }
  await writeWhole(disk, `${directory}/note`, encodeNote(note))
  await writeWhole(disk, `${directory}/superblock`, encodeSuperblock(superblock))
  return superblock
}

async function writeWhole(disk: Disk, path: string, bytes: Buffer): Promise<void> {
  const file = await writeDurableFile(disk, path, [bytes])
  await file.close()
}

async function readWhole(disk: Disk, path: string): Promise<Buffer | null> {
  try {
    const file = await disk.open(path)
    try {
      return asBuffer(await file.read(0, await file.size()))
    } finally {
      await file.close()
    }
  } catch (error) {
    if (errorCode(error) === 'DISK_NOT_FOUND') return null
    throw error
  }
}

function encodeSuperblock(superblock: Superblock): Buffer {
  const writer = new ByteWriter().u32(SUPERBLOCK_MAGIC).u16(FORMAT_VERSION)
  writer.string(superblock.shard).string(superblock.replica).string(superblock.incarnation).u64(superblock.createdMs)
  return withChecksum(writer)
}

function decodeSuperblock(bytes: Buffer, directory: string): Superblock {
  const { reader } = checked(bytes, SUPERBLOCK_MAGIC, directory, 'superblock', FORMAT_VERSION)
  const shard = toShardName(reader.string())
  return { shard, replica: reader.string(), incarnation: reader.string(), createdMs: reader.u64() }
}

function encodeNote(note: ReplicaNote): Buffer {
  const version = note.jumpUids > 0 ? NOTE_VERSION_WITH_JUMP : FORMAT_VERSION
  const writer = new ByteWriter().u32(NOTE_MAGIC).u16(version)
  writer.u64(note.highestEpochPromised).u64(note.highestLedgerVersion).bool(note.inSync)
  if (note.jumpUids > 0) writer.u32(note.jumpUids)
  return withChecksum(writer)
}

function decodeNote(bytes: Buffer, directory: string): ReplicaNote {
  const { reader, version } = checked(bytes, NOTE_MAGIC, directory, 'note', NOTE_VERSION_WITH_JUMP)
  return {
    highestEpochPromised: toEpoch(reader.u64()),
    highestLedgerVersion: reader.u64(),
    inSync: reader.bool(),
    jumpUids: version === NOTE_VERSION_WITH_JUMP ? reader.u32() : 0,
  }
}

function withChecksum(writer: ByteWriter): Buffer {
  const bytes = writer.finish()
  const crc = Buffer.allocUnsafe(4)
  crc.writeUInt32BE(crc32c(bytes))
  return Buffer.concat([bytes, crc])
}

/** A reader behind magic and version, if the file passes its checksum and is of a version that this binary knows. */
function checked(
  bytes: Buffer,
  magic: number,
  directory: string,
  what: string,
  newest: number,
): { reader: ByteReader; version: number } {
  const end = bytes.length - 4
  if (end < 6 || bytes.readUInt32BE(0) !== magic || bytes.readUInt32BE(end) !== crc32c(bytes.subarray(0, end))) {
    throw damaged(directory, what)
  }
  const reader = new ByteReader(bytes.subarray(4, end))
  const version = reader.u16()
  if (version < FORMAT_VERSION || version > newest) {
    throw new ReplicaError('REPLICA_FORMAT_NEWER', `Cannot open ${directory}: its ${what} has format ${version}`)
  }
  return { reader, version }
}

function damaged(directory: string, what: string): ReplicaError {
  return new ReplicaError('REPLICA_DAMAGED', `Cannot open ${directory}: its ${what} is missing or damaged`)
}
