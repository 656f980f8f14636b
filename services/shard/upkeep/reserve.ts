/**
 * Rule 16: space set aside for a disk that is full. Two files of zeros, each as large as a segment (less on a small volume); when a write finds no space one of
 * them is given up and the write is tried again. So an epoch can begin, mail be expunged and segments be written anew where
 * there is no byte left; new mail is refused long before.
 *
 * Invariants: a file counts only under its final name, which it gets when all of it is written and synced; a write is tried again only
 * after ENOSPC, which says that its bytes were not taken; a sync never is (rule 15).
 */
import type { Disk, File } from '#lib/ports/disk.ts'
import { syncFile, syncNames } from '../log/durability.ts'
import { SEGMENT_BYTES_DEFAULT } from '../log/limits.ts'
import { UNFINISHED_SUFFIX } from '../log/segments.ts'
import { isNoSpace } from '../log/space-wait.ts'
import { RESERVE_FILE_SHARE_MAX } from './limits.ts'
import type { Pace } from './pace.ts'

const FILES = ['reserve-1', 'reserve-2']
const PIECE_BYTES = 1024 * 1024

export class Reserve {
  readonly #disk: Disk
  readonly #directory: string
  readonly #bytesEach: number
  readonly #whole = new Set<string>()

  /** @param directory Of the replica. @param bytesEach What a segment may need. */
  static async open(disk: Disk, directory: string, bytesEach: number): Promise<Reserve> {
    const reserve = new Reserve(disk, directory, bytesEach)
    const names = await disk.list(directory)
    for (const name of FILES) {
      await disk.remove(`${directory}/${name}${UNFINISHED_SUFFIX}`)
      if (names.includes(name)) reserve.#whole.add(name)
    }
    return reserve
  }

  private constructor(disk: Disk, directory: string, bytesEach: number) {
    this.#disk = disk
    this.#directory = directory
    this.#bytesEach = bytesEach
  }

  /** What one file of it takes. */
  get fileBytes(): number {
    return this.#bytesEach
  }

  /** What is owed to the reserve: no matter how much is free, so much of it is spoken for. */
  get missingBytes(): number {
    return (FILES.length - this.#whole.size) * this.#bytesEach
  }

  /** Gives one file up. False: there is none left. */
  async release(): Promise<boolean> {
    const name = [...this.#whole].at(-1)
    if (name === undefined) return false
    this.#whole.delete(name)
    await this.#disk.remove(`${this.#directory}/${name}`)
    return true
  }

  /** Writes one of the missing files. @param pace Awaited after each piece; false: give up. @throws what the disk throws */
  async refill(pace: Pace): Promise<void> {
    const name = FILES.find((one) => !this.#whole.has(one))
    if (name === undefined) return
    const path = `${this.#directory}/${name}`
    const unfinished = path + UNFINISHED_SUFFIX
    await this.#disk.remove(unfinished)
    const file = await this.#disk.create(unfinished)
    let done = false
    try {
      done = await this.#fill(file, pace)
    } finally {
      await file.close()
      if (!done) await this.#disk.remove(unfinished)
    }
    if (!done) return
    await this.#disk.rename(unfinished, path)
    await syncNames(this.#disk, this.#directory)
    this.#whole.add(name)
  }

  async #fill(file: File, pace: Pace): Promise<boolean> {
    const zeros = Buffer.alloc(Math.min(PIECE_BYTES, this.#bytesEach))
    for (let at = 0; at < this.#bytesEach; at += zeros.length) {
      await file.write(at, [zeros.subarray(0, Math.min(zeros.length, this.#bytesEach - at))])
      await syncFile(file)
      if (!(await pace(zeros.length))) return false
    }
    return true
  }
}

/** What one file of the reserve takes: room for a segment, where the volume is large enough. @param totalBytes Of the volume; 0: unknown */
export function reserveFileBytes(totalBytes: number): number {
  const share = Math.floor(totalBytes * RESERVE_FILE_SHARE_MAX)
  return totalBytes > 0 ? Math.min(SEGMENT_BYTES_DEFAULT, share) : SEGMENT_BYTES_DEFAULT
}

/**
 * The same disk, on which a write that finds no space takes it from the reserve.
 * @param reserve Null as long as the replica directory is not open. @param onTapped Each time that it does
 */
export function withReserve(disk: Disk, reserve: () => Reserve | null, onTapped: () => void): Disk {
  const again = async <T>(write: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await write()
      } catch (error) {
        if (!isNoSpace(error) || !(await reserve()?.release())) throw error
        onTapped()
      }
    }
  }
  const wrap = (file: File): File => ({
    read: (position, length) => file.read(position, length),
    write: (position, chunks) => again(() => file.write(position, chunks)),
    writeDurable: (position, chunks) => again(() => file.writeDurable(position, chunks)),
    sync: () => file.sync(),
    truncate: (length) => file.truncate(length),
    size: () => file.size(),
    close: () => file.close(),
  })
  return {
    open: async (path) => wrap(await disk.open(path)),
    create: async (path) => wrap(await again(() => disk.create(path))),
    list: (path) => disk.list(path),
    makeDirectory: (path) => again(() => disk.makeDirectory(path)),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    space: (path) => disk.space(path),
  }
}
