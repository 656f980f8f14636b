/**
 * A test process that is stopped (a timeout of the test runner, Ctrl-C) leaves no array behind: what its arrays started is
 * killed, by the pids of those processes that were told the array's folder, and the folders are removed. Needs /proc.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'

const ROUNDS = 10
const ROUND_MS = 20

const arrays = new Set<string>()
let armed = false

/** @param root State folder of an array; also one that was removed meanwhile: a test that timed out may have gone on. */
export function endAtExit(root: string): void {
  if (!armed) {
    armed = true
    process.once('exit', () => {
      for (const one of arrays) endArray(one)
    })
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  }
  arrays.add(root)
}

/** Synchronous, as an exit hook must be; in rounds, since an operator that dies last has started others meanwhile. */
export function endArray(root: string): void {
  for (let round = 0; round < ROUNDS; round++) {
    const pids = pidsOf(root)
    if (pids.length === 0) break
    for (const pid of pids) killIfThere(pid)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ROUND_MS)
  }
  unmountBelow(root)
  rmSync(root, { recursive: true, force: true, maxRetries: 5 })
}

/** Ends what is mounted below a folder, so that it can be removed. */
export function unmountBelow(folder: string): void {
  const places = readText('/proc/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((place) => place.startsWith(`${folder}/`))
  for (const place of places) execFileSync('umount', ['--lazy', place])
}

/** Processes that have an array's folder among their arguments or in their environment. */
export function pidsOf(root: string): number[] {
  const names = process.platform === 'linux' ? readdirSync('/proc') : []
  return names
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => [`/proc/${name}/cmdline`, `/proc/${name}/environ`].some((path) => readText(path).includes(root)))
    .map(Number)
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended by itself
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // ended, or never was there
  }
}
