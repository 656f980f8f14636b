/**
 * Where backups are kept: whole objects under names with slashes, as a folder or a bucket has them.
 *
 * Invariants: an object is there whole or not at all; it is never changed, only replaced by one of the same meaning or removed.
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import type { Disk } from '#lib/ports/disk.ts'
import { makeDurableDirectory, parentOf, UNFINISHED_SUFFIX, writeDurableFile } from '../log/segments.ts'
import { BackupError } from './errors.ts'

export interface Archive {
  /** When it resolves the object is durable. */
  put(name: string, bytes: Uint8Array): Promise<void>
  /** @throws {BackupError} BACKUP_MISSING */
  get(name: string): Promise<Uint8Array>
  /** Names of what lies directly below `folder`, which need not exist; '' is the whole archive. */
  list(folder: string): Promise<string[]>
  /** Of an object, or of a folder that holds none any more. */
  remove(name: string): Promise<void>
}

/** A folder on a disk, best one of another machine. */
export class FolderArchive implements Archive {
  readonly #disk: Disk
  readonly #folder: string

  /** @param folder Below the disk's root. */
  constructor(disk: Disk, folder: string) {
    this.#disk = disk
    this.#folder = folder
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#at(name)
    await makeDurableDirectory(this.#disk, parentOf(path))
    const file = await writeDurableFile(this.#disk, path, [bytes])
    await file.close()
  }

  async get(name: string): Promise<Uint8Array> {
    try {
      const file = await this.#disk.open(this.#at(name))
      try {
        return await file.read(0, await file.size())
      } finally {
        await file.close()
      }
    } catch (error) {
      if (errorCode(error) !== 'DISK_NOT_FOUND') throw error
      throw new BackupError('BACKUP_MISSING', `The archive has no ${name}`)
    }
  }

  async list(folder: string): Promise<string[]> {
    const names = await this.#disk.list(this.#at(folder))
    return names.filter((name) => !name.endsWith(UNFINISHED_SUFFIX))
  }

  remove(name: string): Promise<void> {
    return this.#disk.remove(this.#at(name))
  }

  #at(name: string): string {
    return name === '' ? this.#folder : `${this.#folder}/${name}`
  }
}
