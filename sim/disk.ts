/**
 * A disk that keeps exactly what the port promises, and as little beyond that as a bad day allows: a write is in the page cache until
 * its file was synced, a name until its folder was synced. A crash keeps what was synced and a chance selection of pages
 * and names of the rest.
 *
 * Two views of each file: `cached` is what reads see, `stable` what survives. After a failed sync pages count as clean although
 * they are not stable, as in a real kernel. Operations belong to one life of a machine: those of a dead life never settle.
 */
import { CodedError } from '#lib/errors/coded-error.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { SimClock } from './clock.ts'
import type { Coverage } from './coverage.ts'
import { DiskView } from './disk-view.ts'
import { Inode } from './inode.ts'
import type { SimRandom } from './random.ts'

export class SimDiskError extends CodedError<'DISK_NOT_FOUND' | 'DISK_EXISTS' | 'EIO' | 'ENOSPC'> {
  override readonly name = 'SimDiskError'
}

/** What the disk must know of the process that uses it. */
export interface DiskUser {
  readonly alive: boolean
  /** An operation is done: the process hears of it now, or when it is woken. */
  gate(action: () => void): void
}

export type OneShotFault = 'sync-error' | 'slow-sync' | 'no-space' | 'misdirected-write'

export interface SimDiskOptions {
  readonly clock: SimClock
  readonly random: SimRandom
  readonly coverage: Coverage
  /** What the device writes whole or not at all. */
  readonly pageBytes?: number
}

type NameChange = { kind: 'link' | 'unlink'; path: string; inode: Inode | 'folder' }

const FAST_MS = { min: 0.02, max: 0.3 }
const SYNC_MS = { min: 0.3, max: 4 }
const SLOW_SYNC_MS = { min: 1000, max: 4000 }

export class SimDisk {
  readonly #clock: SimClock
  readonly #random: SimRandom
  readonly #coverage: Coverage
  readonly #pageBytes: number
  #names = new Map<string, Inode | 'folder'>()
  #stableNames = new Map<string, Inode | 'folder'>()
  /** Changes of names by folder, in order, that no syncDirectory has made stable. */
  readonly #changes = new Map<string, NameChange[]>()
  readonly #armed = new Set<OneShotFault>()
  /** What all files may hold together: a write beyond finds no space, as long as nobody makes some. */
  capacityBytes = Number.POSITIVE_INFINITY
  /** Nothing that the disk is asked for is done before that time. */
  hangsUntilMs = 0
  /** Called at the begin of each operation: where a crash between any two operations comes in. */
  beforeOperation: () => void = () => {}

  constructor(options: SimDiskOptions) {
    this.#clock = options.clock
    this.#random = options.random
    this.#coverage = options.coverage
    this.#pageBytes = options.pageBytes ?? 4096
  }

  /** The next operation that the fault fits meets it. */
  arm(fault: OneShotFault): void {
    this.#armed.add(fault)
  }

  armed(fault: OneShotFault): boolean {
    return this.#armed.has(fault)
  }

  disarm(): void {
    this.#armed.clear()
  }

  /** The power fails: only what is stable remains, and a chance selection of the rest. */
  crash(): void {
    for (const [folder, changes] of this.#changes) this.#keepSomeNames(folder, changes)
    this.#changes.clear()
    this.#names = new Map()
    for (const [path, inode] of this.#stableNames) if (this.#folderIsStable(path)) this.#names.set(path, inode)
    this.#stableNames = new Map(this.#names)
    for (const inode of new Set(this.#names.values())) if (inode !== 'folder') this.#keepSomePages(inode)
  }

  /** Flips one bit that is stable, in a file whose path starts with `prefix` and ends with `suffix`; false if there is none. */
  flipBit(prefix: string, suffix: string): boolean {
    const files = [...this.#names].filter(([path]) => path.startsWith(prefix) && path.endsWith(suffix)).sort(byPath)
    const sizes = files.map(([, inode]) => (inode === 'folder' ? 0 : inode.stable.length))
    let at = this.#random.int(0, Math.max(0, sizes.reduce((sum, size) => sum + size, 0) - 1))
    for (const [i, [, inode]] of files.entries()) {
      const size = sizes[i] ?? 0
      if (at >= size) {
        at -= size
        continue
      }
      if (inode === 'folder') return false
      const mask = 1 << this.#random.int(0, 7)
      inode.stable.flip(at, mask)
      if (at < inode.cached.length && !inode.apart.has(Math.floor(at / this.#pageBytes))) inode.cached.flip(at, mask)
      return true
    }
    return false
  }

  /** Flips one of the last `reach` stable bytes of the last file below `prefix` with that suffix; false if there is none. */
  flipLate(prefix: string, suffix: string, reach: number): boolean {
    const last = [...this.#names].filter(([path]) => path.startsWith(prefix) && path.endsWith(suffix)).sort(byPath)
    const inode = last.at(-1)?.[1]
    if (inode === undefined || inode === 'folder' || inode.stable.length === 0) return false
    const at = this.#random.int(Math.max(0, inode.stable.length - reach), inode.stable.length - 1)
    const mask = 1 << this.#random.int(0, 7)
    inode.stable.flip(at, mask)
    if (at < inode.cached.length && !inode.apart.has(Math.floor(at / this.#pageBytes))) inode.cached.flip(at, mask)
    return true
  }

  /** A device that lied: the file ends at `length`, as if what was synced behind it had never come. */
  forget(path: string, length: number): void {
    const inode = this.lookUp(path)
    inode.stable.resize(length)
    inode.cached.resize(length)
    inode.dirty.clear()
    inode.apart.clear()
  }

  /**
   * What was written at `at` stands at the begin of another page before it, over whatever was there, and zeros in its place; false if there is
   * no such page.
   */
  misplace(path: string, at: number, length: number): boolean {
    const inode = this.lookUp(path)
    const pages = Math.floor((at - length) / this.#pageBytes)
    if (pages < 1) return false
    const wrong = this.#random.int(1, pages) * this.#pageBytes
    for (const view of [inode.stable, inode.cached]) {
      view.put(wrong, Buffer.from(view.slice(at, at + length)))
      view.put(at, Buffer.alloc(length))
    }
    this.#coverage.count('misdirected write')
    return true
  }

  /** The volume is replaced by an empty one. */
  wipe(): void {
    this.#names = new Map()
    this.#stableNames = new Map()
    this.#changes.clear()
    this.#armed.clear()
  }

  get usedBytes(): number {
    let bytes = 0
    for (const inode of new Set(this.#names.values())) if (inode !== 'folder') bytes += inode.cached.length
    return bytes
  }

  /** The stable bytes of all files below `prefix`, for checkers. */
  stableFiles(prefix: string): Map<string, Buffer> {
    const files = new Map<string, Buffer>()
    for (const [path, inode] of this.#stableNames) {
      if (path.startsWith(prefix) && inode !== 'folder')
        files.set(path, Buffer.from(inode.stable.slice(0, inode.stable.length)))
    }
    return files
  }

  /** The disk as one process sees it. */
  for(user: DiskUser): Disk {
    return new DiskView(this, user)
  }

  // What follows is for `disk-view.ts` alone.

  /** Runs `action` after a while, unless the user died. */
  later<T>(user: DiskUser, kind: 'fast' | 'sync', action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!user.alive) return
      this.beforeOperation()
      if (!user.alive) return
      const done = () => {
        if (!user.alive) return
        const hangsMs = this.hangsUntilMs - this.#clock.nowMs
        if (hangsMs > 0) {
          this.#clock.after(hangsMs, done)
          return
        }
        try {
          const result = action()
          user.gate(() => resolve(result))
        } catch (error) {
          user.gate(() => reject(error))
        }
      }
      this.#clock.after(this.#latencyMs(kind), done)
    })
  }

  lookUp(path: string): Inode {
    const inode = this.#names.get(path)
    if (inode === undefined || inode === 'folder') {
      throw new SimDiskError('DISK_NOT_FOUND', `Cannot open ${path}: it does not exist`)
    }
    return inode
  }

  create(path: string): Inode {
    if (this.#names.has(path)) throw new SimDiskError('DISK_EXISTS', `Cannot create ${path}: it exists already`)
    if (!this.#isFolder(folderOf(path))) {
      throw new SimDiskError('DISK_NOT_FOUND', `Cannot create ${path}: there is no such folder`)
    }
    const inode = new Inode()
    this.#change({ kind: 'link', path, inode })
    return inode
  }

  list(path: string): string[] {
    const prefix = path === '.' || path === '' ? '' : `${path}/`
    const names: string[] = []
    for (const name of this.#names.keys()) {
      if (name.startsWith(prefix) && !name.slice(prefix.length).includes('/')) names.push(name.slice(prefix.length))
    }
    return names
  }

  makeDirectory(path: string): void {
    const parts = path.split('/')
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = parts.slice(0, depth).join('/')
      if (!this.#names.has(folder)) this.#change({ kind: 'link', path: folder, inode: 'folder' })
    }
  }

  rename(from: string, to: string): void {
    const inode = this.#names.get(from)
    if (inode === undefined) throw new SimDiskError('DISK_NOT_FOUND', `Cannot rename ${from}: it does not exist`)
    this.#change({ kind: 'link', path: to, inode })
    this.#change({ kind: 'unlink', path: from, inode })
  }

  remove(path: string): void {
    for (const [name, inode] of [...this.#names]) {
      if (name === path || name.startsWith(`${path}/`)) this.#change({ kind: 'unlink', path: name, inode })
    }
  }

  syncDirectory(path: string): void {
    const folder = path === '' ? '.' : path
    for (const change of this.#changes.get(folder) ?? []) applyChange(this.#stableNames, change)
    this.#changes.delete(folder)
  }

  write(inode: Inode, position: number, chunks: readonly Uint8Array[]): void {
    let bytes = Buffer.concat(chunks)
    let at = position
    let failure: SimDiskError | null = null
    if (this.#takes('misdirected-write')) {
      const pages = Math.floor(inode.cached.length / this.#pageBytes)
      if (pages > 1) {
        at = this.#random.int(1, pages - 1) * this.#pageBytes
        this.#coverage.count('misdirected write')
      }
    }
    if (this.#takes('no-space')) {
      bytes = bytes.subarray(0, this.#random.int(0, bytes.length - 1))
      failure = new SimDiskError('ENOSPC', 'Cannot write: no space left on the device')
      this.#coverage.count('disk full')
    }
    const taken = this.#room(inode, at, bytes.length)
    if (taken < bytes.length) {
      bytes = bytes.subarray(0, taken)
      failure = new SimDiskError('ENOSPC', 'Cannot write: no space left on the device')
      this.#coverage.count('disk full')
    }
    inode.cached.put(at, bytes)
    for (let page = Math.floor(at / this.#pageBytes); page * this.#pageBytes < at + bytes.length; page++) {
      inode.dirty.add(page)
      inode.apart.add(page)
    }
    if (failure !== null) throw failure
  }

  /** @param pages Those that were dirty when the sync was asked for: later writes are not its business. */
  sync(inode: Inode, pages: ReadonlySet<number>): void {
    if (this.#takes('sync-error')) {
      // Some pages reached the device; all count as clean from now on, and no later sync writes the others.
      for (const page of inode.dirty) if (this.#random.chance(0.5)) this.#settle(inode, page, this.#pageBytes)
      inode.dirty.clear()
      this.#coverage.count('sync error')
      throw new SimDiskError('EIO', 'Cannot sync: input/output error')
    }
    for (const page of pages) {
      this.#settle(inode, page, this.#pageBytes)
      inode.dirty.delete(page)
      inode.apart.delete(page)
    }
    if (inode.dirty.size === 0) inode.stable.resize(inode.cached.length)
  }

  truncate(inode: Inode, length: number): void {
    inode.cached.resize(length)
    for (const page of inode.dirty) if (page * this.#pageBytes >= length) inode.dirty.delete(page)
  }

  #latencyMs(kind: 'fast' | 'sync'): number {
    const slow = kind === 'sync' && this.#takes('slow-sync')
    if (slow) this.#coverage.count('slow sync')
    const range = slow ? SLOW_SYNC_MS : kind === 'sync' ? SYNC_MS : FAST_MS
    return range.min + this.#random.fraction() * (range.max - range.min)
  }

  /** How much of a write the disk takes: what lies within the file, and what is free behind its end. */
  #room(inode: Inode, at: number, length: number): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return length
    const free = Math.max(0, this.capacityBytes - this.usedBytes)
    return Math.max(0, Math.min(length, inode.cached.length + free - at))
  }

  #takes(fault: OneShotFault): boolean {
    return this.#armed.delete(fault)
  }

  /** The first `upTo` bytes of a cached page become stable. */
  #settle(inode: Inode, page: number, upTo: number): void {
    const from = page * this.#pageBytes
    const to = Math.min(from + upTo, inode.cached.length)
    if (to <= from) return
    inode.stable.put(from, inode.cached.slice(from, to))
  }

  #keepSomePages(inode: Inode): void {
    if (inode.dirty.size > 0) {
      const share = this.#random.pick([0, 0.5, 0.9, 1])
      let kept = 0
      for (const page of inode.dirty) {
        if (!this.#random.chance(share)) continue
        kept++
        if (this.#random.chance(0.1)) {
          this.#settle(inode, page, this.#random.int(1, this.#pageBytes - 1))
          this.#coverage.count('torn page')
        } else this.#settle(inode, page, this.#pageBytes)
      }
      this.#coverage.count('pages lost in a crash', inode.dirty.size - kept)
      this.#coverage.count('unsynced pages that survived', kept)
      // The length is stored apart from the pages: zeros may stand where a page was lost.
      if (inode.cached.length > inode.stable.length && this.#random.chance(0.3)) {
        inode.stable.resize(this.#random.int(inode.stable.length, inode.cached.length))
        this.#coverage.count('length without bytes')
      }
    }
    for (const page of inode.apart) {
      const from = page * this.#pageBytes
      inode.cached.put(from, inode.stable.slice(from, from + this.#pageBytes))
    }
    inode.cached.resize(inode.stable.length)
    inode.dirty.clear()
    inode.apart.clear()
  }

  #keepSomeNames(folder: string, changes: readonly NameChange[]): void {
    if (!this.#stableNames.has(folder) && folder !== '.') return
    // A journaling file system keeps a prefix; a plainer one any selection.
    const inOrder = this.#random.chance(0.7)
    const prefix = this.#random.int(0, changes.length)
    for (const [i, change] of changes.entries()) {
      if (inOrder ? i < prefix : this.#random.chance(0.5)) applyChange(this.#stableNames, change)
      else this.#coverage.count('names lost in a crash')
    }
  }

  #folderIsStable(path: string): boolean {
    const folder = folderOf(path)
    return folder === '.' || (this.#stableNames.get(folder) === 'folder' && this.#folderIsStable(folder))
  }

  #isFolder(path: string): boolean {
    return path === '.' || this.#names.get(path) === 'folder'
  }

  #change(change: NameChange): void {
    applyChange(this.#names, change)
    const folder = folderOf(change.path)
    const changes = this.#changes.get(folder)
    if (changes === undefined) this.#changes.set(folder, [change])
    else changes.push(change)
  }
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '.' : path.slice(0, slash)
}

function applyChange(names: Map<string, Inode | 'folder'>, change: NameChange): void {
  if (change.kind === 'link') names.set(change.path, change.inode)
  else if (names.get(change.path) === change.inode) names.delete(change.path)
}

function byPath(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1
}
