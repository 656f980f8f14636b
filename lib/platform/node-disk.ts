/** The real disk under one root folder. Paths given to it stay below that root. */
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import { CodedError, type ErrorSpec, errorCode } from '#lib/errors/coded-error.ts'
import type { Disk, File } from '#lib/ports/disk.ts'

export const DISK_ERRORS = {
  DISK_NOT_FOUND: { retry: false, meaning: 'The file does not exist.' },
  DISK_EXISTS: { retry: false, meaning: 'The file exists already.' },
  DISK_SHORT_WRITE: {
    retry: false,
    meaning: 'The disk took fewer bytes than it was given, as full disks do; the log stops.',
  },
  DISK_PATH: { retry: false, meaning: 'A path leaves the folder that the disk was given.' },
} as const satisfies Record<string, ErrorSpec>

export class DiskError extends CodedError<keyof typeof DISK_ERRORS> {
  override readonly name = 'DiskError'
}

class NodeFile implements File {
  readonly #handle: FileHandle
  readonly #path: string

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(buffer, filled, length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  }

  async write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    const { bytesWritten } = await this.#handle.writev(chunks, position)
    if (bytesWritten === total) return
    // The kernel took a part (2 GiB bound, signal): write the rest in one piece.
    const rest = Buffer.concat(chunks).subarray(bytesWritten)
    const again = await this.#handle.write(rest, 0, rest.length, position + bytesWritten)
    if (again.bytesWritten !== rest.length) {
      throw new DiskError('DISK_SHORT_WRITE', `Cannot write ${total} bytes to ${this.#path}: the disk took fewer`)
    }
  }

  sync(): Promise<void> {
    return this.#handle.datasync()
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length)
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

export class NodeDisk implements Disk {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async open(path: string): Promise<File> {
    try {
      return new NodeFile(await open(this.#at(path), 'r+'), path)
    } catch (cause) {
      if (errorCode(cause) !== 'ENOENT') throw cause
      throw new DiskError('DISK_NOT_FOUND', `Cannot open ${path}: it does not exist`, { cause })
    }
  }

  async create(path: string): Promise<File> {
    try {
      return new NodeFile(await open(this.#at(path), 'wx+', 0o600), path)
    } catch (cause) {
      if (errorCode(cause) !== 'EEXIST') throw cause
      throw new DiskError('DISK_EXISTS', `Cannot create ${path}: it exists already`, { cause })
    }
  }

  async list(path: string): Promise<string[]> {
    try {
      return await readdir(this.#at(path))
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT') return []
      throw cause
    }
  }

  async makeDirectory(path: string): Promise<void> {
    await mkdir(this.#at(path), { recursive: true, mode: 0o700 })
  }

  rename(from: string, to: string): Promise<void> {
    return rename(this.#at(from), this.#at(to))
  }

  remove(path: string): Promise<void> {
    return rm(this.#at(path), { recursive: true, force: true })
  }

  async syncDirectory(path: string): Promise<void> {
    const handle = await open(this.#at(path), 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  async space(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
    const stats = await statfs(this.#at(path))
    return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize }
  }

  #at(path: string): string {
    const normal = normalize(path)
    if (normal.startsWith('..')) throw new DiskError('DISK_PATH', `Cannot use ${path}: it leaves the disk's root`)
    return join(this.#root, normal)
  }
}
