/** The real disk under one root folder. Paths given to it stay below that root. */
import * as fs from 'node:fs'
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

/**
 * Calls go through the callback API: it costs half of what the promises of a FileHandle do, and each commit and each letter
 * that is read makes some.
 */
class NodeFile implements File {
  readonly #fd: number
  readonly #path: string
  /** The same file, opened so that a write returns when it is durable. -1: not opened yet; null: the platform cannot. */
  #durableFd: number | null = -1

  constructor(fd: number, path: string) {
    this.#fd = fd
    this.#path = path
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(length)
    let filled = 0
    while (filled < length) {
      const count = await readAt(this.#fd, buffer, filled, position + filled)
      if (count === 0) break
      filled += count
    }
    return buffer.subarray(0, filled)
  }

  write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    return this.#write(this.#fd, position, chunks)
  }

  async writeDurable(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    const fd = this.#durable()
    if (fd !== null) return this.#write(fd, position, chunks)
    await this.write(position, chunks)
    await this.sync()
  }

  sync(): Promise<void> {
    return done((callback) => fs.fdatasync(this.#fd, callback))
  }

  truncate(length: number): Promise<void> {
    return done((callback) => fs.ftruncate(this.#fd, length, callback))
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error ? reject(error) : resolve(stats.size)))
    })
  }

  async close(): Promise<void> {
    const durable = this.#durableFd
    this.#durableFd = null
    if (durable !== null && durable >= 0) await done((callback) => fs.close(durable, callback))
    await done((callback) => fs.close(this.#fd, callback))
  }

  /** Opened through the descriptor: the name may have changed since. */
  #durable(): number | null {
    if (this.#durableFd !== -1) return this.#durableFd
    try {
      this.#durableFd = fs.openSync(`/proc/self/fd/${this.#fd}`, fs.constants.O_WRONLY | fs.constants.O_DSYNC)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error // no /proc on this platform
      this.#durableFd = null
    }
    return this.#durableFd
  }

  async #write(fd: number, position: number, chunks: readonly Uint8Array[]): Promise<void> {
    const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    let written = await writeAt(fd, chunks, position)
    while (written < total) {
      // The kernel took a part (2 GiB bound, signal): write the rest in one piece.
      const rest = Buffer.concat(chunks).subarray(written)
      const more = await writeAt(fd, [rest], position + written)
      if (more === 0) {
        throw new DiskError('DISK_SHORT_WRITE', `Cannot write ${total} bytes to ${this.#path}: the disk took fewer`)
      }
      written += more
    }
  }
}

function done(call: (callback: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => call((error) => (error ? reject(error) : resolve())))
}

/** @returns Bytes read, 0 at the end of the file. */
function readAt(fd: number, buffer: Buffer, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, offset, buffer.length - offset, position, (error, count) =>
      error ? reject(error) : resolve(count),
    )
  })
}

function writeAt(fd: number, chunks: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, chunks, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

function openFile(path: string, flags: string, mode?: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, mode, (error, fd) => (error ? reject(error) : resolve(fd)))
  })
}

export class NodeDisk implements Disk {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async open(path: string): Promise<File> {
    try {
      return new NodeFile(await openFile(this.#at(path), 'r+'), path)
    } catch (cause) {
      if (errorCode(cause) !== 'ENOENT') throw cause
      throw new DiskError('DISK_NOT_FOUND', `Cannot open ${path}: it does not exist`, { cause })
    }
  }

  async create(path: string): Promise<File> {
    try {
      return new NodeFile(await openFile(this.#at(path), 'wx+', 0o600), path)
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
