/**
 * The processes this array started, written down before anything else is done with them, so that a next operator can end
 * what a killed one left behind. Nothing is ended that is not in here with the same start time.
 */

import type { Clock } from '#lib/ports/clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import { ProcessRecords } from '#operator/api/local-layout.ts'
import { identifyProcess, isSameProcess, type ProcessIdentity, signalProcess } from './process-identity.ts'
import { readJson, writeJson } from './state-files.ts'

const POLL_MS = 20

export class ProcessTable {
  readonly #file: string
  readonly #running = new Map<string, ProcessIdentity>()

  constructor(file: string) {
    this.#file = file
  }

  /** @returns null if the process ended before it could be looked at. */
  add(name: string, pid: number): ProcessIdentity | null {
    const identity = identifyProcess(pid)
    if (identity) this.#running.set(name, identity)
    this.#write()
    return identity
  }

  remove(name: string): void {
    this.#running.delete(name)
    this.#write()
  }

  #write(): void {
    writeJson(
      this.#file,
      [...this.#running].map(([name, { pid, startedAt }]) => ({ name, pid, startedAt })),
    )
  }
}

/** Ends what an earlier operator started and did not end: SIGTERM, after `graceMs` SIGKILL. @returns their names. */
export async function endLeftovers(file: string, clock: Clock, graceMs: number): Promise<string[]> {
  const left = readJson(file, ProcessRecords, []).filter((record) => isSameProcess(record))
  for (const record of left) signalProcess(record, 'SIGTERM')
  const deadline = clock.monotonicMs() + graceMs
  while (left.some((record) => isSameProcess(record)) && clock.monotonicMs() < deadline) await sleep(clock, POLL_MS)
  for (const record of left) signalProcess(record, 'SIGKILL')
  while (left.some((record) => isSameProcess(record))) await sleep(clock, POLL_MS)
  writeJson(file, [])
  return left.map((record) => record.name)
}
