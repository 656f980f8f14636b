/** A volume that can be filled: a tmpfs of a given size. Needs the right to mount; specs say that they did not run without it. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MIB = 1024 * 1024
const BALLAST = 'ballast'

/** False if this machine lets us mount, else the reason: as the option `skip` of a test. */
export function whyNoMounts(): string | false {
  const folder = mkdtempSync(join(tmpdir(), 'tp-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'pipe' })
    execFileSync('umount', [folder], { stdio: 'pipe' })
    return false
  } catch {
    return 'not run: this user may not mount a tmpfs (run as root on Linux)'
  } finally {
    rmdirSync(folder)
  }
}

export class SmallDisk {
  readonly pod: string
  #megabytes: number
  #folder = ''
  #taken = 0

  /** @param pod Whose volume it is. */
  constructor(pod: string, megabytes: number) {
    this.pod = pod
    this.#megabytes = megabytes
  }

  mount(folder: string): void {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${this.#megabytes}m,mode=700`, 'tmpfs', folder])
  }

  get totalBytes(): number {
    return this.#megabytes * MIB
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#folder)
    return bavail * bsize
  }

  get freeShare(): number {
    return this.freeBytes / this.totalBytes
  }

  /** Whether there is such a file. @param path From the volume's root */
  has(path: string): boolean {
    return existsSync(join(this.#folder, path))
  }

  /** Fills the disk with a file of somebody else's until so much is left; 0: to the last byte. */
  fill(leaveBytes: number): void {
    const file = openSync(join(this.#folder, BALLAST), 'a')
    try {
      const block = Buffer.alloc(MIB / 4)
      while (this.freeBytes > leaveBytes) {
        writeSync(file, block, 0, Math.min(block.length, Math.max(1, this.freeBytes - leaveBytes)))
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    } finally {
      closeSync(file)
    }
  }

  /** Takes a file away from who wrote it, but not its bytes, until `empty`. @param path From the volume's root; need not be there */
  keepTaken(path: string): void {
    if (this.has(path)) renameSync(join(this.#folder, path), join(this.#folder, `${BALLAST}-${this.#taken++}`))
  }

  /** Gives back what `fill` and `keepTaken` took. */
  empty(): void {
    for (const name of readdirSync(this.#folder)) if (name.startsWith(BALLAST)) rmSync(join(this.#folder, name))
  }
}
