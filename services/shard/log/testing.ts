/** What the tests of the log stand on: a disk in memory whose files can be tampered with, a clock that is moved by hand. */
import { CodedError } from '#lib/errors/coded-error.ts'
import { toShardName } from '#lib/mail/types.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { Disk, File } from '#lib/ports/disk.ts'
import type { Random } from '#lib/ports/random.ts'
import { Log, type LogOptions } from './log.ts'
import type { AppendedRange, NewRecord } from './types.ts'

export const TEST_SHARD = toShardName('n1/0')
export const TEST_DIRECTORY = 'log'

export class MemoryDisk implements Disk {
  /** All files by path; tests read and replace them. */
  readonly files = new Map<string, Buffer>()
  /** Awaited by every sync: tests hold it back or make it fail. */
  beforeSync: () => Promise<void> = async () => {}
  /** Awaited by every write. */
  beforeWrite: () => Promise<void> = async () => {}
  readonly writes: (readonly Uint8Array[])[] = []
  openCount = 0

  /** A copy in the state of now. */
  fork(): MemoryDisk {
    const copy = new MemoryDisk()
    for (const [path, bytes] of this.files) copy.files.set(path, Buffer.from(bytes))
    return copy
  }

  async open(path: string): Promise<File> {
    if (!this.files.has(path)) throw new CodedError('DISK_NOT_FOUND', `Cannot open ${path}: it does not exist`)
    return this.#file(path)
  }

  async create(path: string): Promise<File> {
    if (this.files.has(path)) throw new CodedError('DISK_EXISTS', `Cannot create ${path}: it exists already`)
    this.files.set(path, Buffer.alloc(0))
    return this.#file(path)
  }

  async list(path: string): Promise<string[]> {
    const names = [...this.files.keys()].filter((name) => name.startsWith(`${path}/`))
    return [...new Set(names.map((name) => name.slice(path.length + 1).split('/')[0] ?? ''))]
  }

  async makeDirectory(): Promise<void> {}

  async rename(from: string, to: string): Promise<void> {
    this.files.set(to, this.files.get(from) ?? Buffer.alloc(0))
    this.files.delete(from)
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path)
  }

  async syncDirectory(): Promise<void> {}

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: 1e12, totalBytes: 1e12 }
  }

  /** As in a real file system an open file keeps its bytes when its name changes. */
  #file(opened: string): File {
    const names = this.files
    let path = opened
    const bytes = () => {
      const unfinished = `${opened.replace(/\.new$/, '')}`
      if (!names.has(path) && names.has(unfinished)) path = unfinished
      return names.get(path) ?? Buffer.alloc(0)
    }
    this.openCount++
    const write = async (position: number, chunks: readonly Uint8Array[]) => {
      await this.beforeWrite()
      this.writes.push(chunks)
      const added = Buffer.concat(chunks)
      const whole = Buffer.alloc(Math.max(bytes().length, position + added.length))
      bytes().copy(whole)
      added.copy(whole, position)
      names.set(path, whole)
    }
    return {
      read: async (position, length) => Buffer.from(bytes().subarray(position, position + length)),
      write,
      writeDurable: async (position, chunks) => {
        await write(position, chunks)
        await this.beforeSync()
      },
      sync: () => this.beforeSync(),
      truncate: async (length) => {
        names.set(path, Buffer.from(bytes().subarray(0, length)))
      },
      size: async () => bytes().length,
      close: async () => {
        this.openCount--
      },
    }
  }
}

export class ManualClock implements Clock {
  #nowMs = 1_767_225_600_000
  readonly #timers: { atMs: number; action: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, action }
    this.#timers.push(timer)
    return () => {
      const at = this.#timers.indexOf(timer)
      if (at !== -1) this.#timers.splice(at, 1)
    }
  }

  /** Moves time and runs what is due. */
  advance(ms: number): void {
    this.#nowMs += ms
    for (const timer of this.#timers.filter(({ atMs }) => atMs <= this.#nowMs)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1)
      timer.action()
    }
  }
}

/** The same bytes every time: tests and sample logs must come out equal. */
export const fixedRandom: Random = {
  bytes: (length) => Uint8Array.from({ length }, (_, i) => (i * 37 + 11) & 0xff),
  fraction: () => 0.5,
}

export function openTestLog(disk: Disk, options: Partial<LogOptions> = {}): Promise<Log> {
  const clock = new ManualClock()
  return Log.open({ disk, directory: TEST_DIRECTORY, shard: TEST_SHARD, clock, random: fixedRandom, ...options })
}

/** Appends in one batch and waits until it is durable. */
export function appendDurably(log: Log, records: readonly NewRecord[]): Promise<AppendedRange> {
  return new Promise((resolve, reject) => {
    const range = log.append(records)
    log.onFailure(reject)
    log.onDurable((durable) => {
      if (durable >= range.last) resolve(range)
    })
  })
}

/** A record with that many bytes of body, all different from its neighbours. */
export function testRecord(n: number, bodyBytes: number): NewRecord {
  const body = Buffer.alloc(bodyBytes)
  for (let i = 0; i < bodyBytes; i++) body[i] = (i * 7 + n * 31) & 0xff
  return { type: 2, meta: Buffer.from(`meta of ${n}`), body: [body] }
}

/** Path of the only, or the last, segment. */
export function lastSegment(disk: MemoryDisk): string {
  const paths = [...disk.files.keys()].filter((path) => path.endsWith('.seg')).sort()
  return paths.at(-1) ?? ''
}

/** The bytes with one bit changed. */
export function flipped(bytes: Buffer, at: number, bit = 0): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ (1 << bit)
  return copy
}
