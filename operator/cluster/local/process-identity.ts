/**
 * Which process a number means. A pid alone may belong to somebody else by the time it is used: together with the time the
 * process started it does not, so nothing is ever ended on a pid alone.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** Start time in whatever unit the system keeps; only compared for equality. */
  readonly startedAt: string
}

/** @returns null if no such process runs (a zombie does not run). */
export function identifyProcess(pid: number): ProcessIdentity | null {
  if (process.platform !== 'linux') return identifyWithPs(pid)
  try {
    // proc(5): after the command in parentheses, which may hold anything, come state (field 3) ... start time (field 22).
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const startedAt = fields[19]
    return fields[0] === 'Z' || fields[0] === 'X' || startedAt === undefined ? null : { pid, startedAt }
  } catch {
    return null
  }
}

function identifyWithPs(pid: number): ProcessIdentity | null {
  try {
    const startedAt = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return startedAt === '' ? null : { pid, startedAt }
  } catch {
    return null
  }
}

export function isSameProcess(known: ProcessIdentity): boolean {
  return identifyProcess(known.pid)?.startedAt === known.startedAt
}

/** Signals the process if it is still the one that is meant. @returns whether it was. */
export function signalProcess(known: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isSameProcess(known)) return false
  try {
    process.kill(known.pid, signal)
    return true
  } catch {
    return false // it ended between the look and the signal
  }
}

/** Resident memory of the process in bytes, or null where the system does not say. */
export function residentBytes(pid: number): number | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return kib === undefined ? null : Number(kib) * 1024
  } catch {
    return null
  }
}
