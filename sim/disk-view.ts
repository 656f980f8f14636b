/** The simulated disk as one process sees it: each operation takes a while, and none settles after the process has ended. */
import type { Disk, File } from '#lib/ports/disk.ts'
import { type DiskUser, type SimDisk, SimDiskError } from './disk.ts'
import type { Inode } from './inode.ts'

export class DiskView implements Disk {
  readonly #disk: SimDisk
  readonly #user: DiskUser

  constructor(disk: SimDisk, user: DiskUser) {
    this.#disk = disk
    this.#user = user
  }

  open(path: string): Promise<File> {
    return this.#fast(() => new FileView(this.#disk, this.#user, this.#disk.lookUp(path)))
  }

  create(path: string): Promise<File> {
    return this.#fast(() => new FileView(this.#disk, this.#user, this.#disk.create(path)))
  }

  list(path: string): Promise<string[]> {
    return this.#fast(() => this.#disk.list(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.#fast(() => this.#disk.makeDirectory(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#fast(() => this.#disk.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#fast(() => this.#disk.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#disk.later(this.#user, 'sync', () => this.#disk.syncDirectory(path))
  }

  space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#fast(() => {
      const totalBytes = Math.min(2e12, this.#disk.capacityBytes)
      return { freeBytes: Math.max(0, totalBytes - this.#disk.usedBytes), totalBytes }
    })
  }

  #fast<T>(action: () => T): Promise<T> {
    return this.#disk.later(this.#user, 'fast', action)
  }
}

class FileView implements File {
  readonly #disk: SimDisk
  readonly #user: DiskUser
  readonly #inode: Inode
  #closed = false

  constructor(disk: SimDisk, user: DiskUser, inode: Inode) {
    this.#disk = disk
    this.#user = user
    this.#inode = inode
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#operate('fast', () => Buffer.from(this.#inode.cached.slice(position, position + length)))
  }

  write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    return this.#operate('fast', () => this.#disk.write(this.#inode, position, chunks))
  }

  async writeDurable(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    await this.write(position, chunks)
    await this.sync()
  }

  sync(): Promise<void> {
    const pages = new Set(this.#inode.dirty)
    return this.#operate('sync', () => this.#disk.sync(this.#inode, pages))
  }

  truncate(length: number): Promise<void> {
    return this.#operate('fast', () => this.#disk.truncate(this.#inode, length))
  }

  size(): Promise<number> {
    return this.#operate('fast', () => this.#inode.cached.length)
  }

  close(): Promise<void> {
    return this.#operate('fast', () => {
      this.#closed = true
    })
  }

  #operate<T>(kind: 'fast' | 'sync', action: () => T): Promise<T> {
    return this.#disk.later(this.#user, kind, () => {
      if (this.#closed) throw new SimDiskError('EIO', 'Cannot use a closed file')
      return action()
    })
  }
}
