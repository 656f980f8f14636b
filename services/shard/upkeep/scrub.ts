/**
 * Reads every sealed record once in a while, so that rot is found while the peer still has the bytes. Where a round stands, and when the
 * last one ended, is kept in a small file: a process that restarts every day would never come to the end otherwise.
 *
 * Invariant: the file is a memory, no promise: without it a round begins anew.
 */
import { errorCode } from '#lib/errors/coded-error.ts'
import { type Lsn, toLsn } from '#lib/mail/types.ts'
import type { Disk } from '#lib/ports/disk.ts'
import { LogError } from '../log/errors.ts'
import { writeDurableFile } from '../log/segments.ts'
import type { LogRecord, ScanOptions } from '../log/types.ts'
import { GivenUp, type Pace } from './pace.ts'

const FILE = 'scrub.json'
const FILE_BYTES_MAX = 1_000
const PACE_BYTES = 1024 * 1024
const RECORD_OVERHEAD_BYTES = 120

export interface ScrubState {
  /** Wall time; null: never. */
  readonly lastFullMs: number | null
  /** Where the round that is under way goes on; null: none is. */
  readonly nextLsn: number | null
}

const NEVER: ScrubState = { lastFullMs: null, nextLsn: null }

export class ScrubFile {
  readonly #disk: Disk
  readonly #directory: string

  constructor(disk: Disk, directory: string) {
    this.#disk = disk
    this.#directory = directory
  }

  async read(): Promise<ScrubState> {
    if (!(await this.#disk.list(this.#directory)).includes(FILE)) return NEVER
    const file = await this.#disk.open(`${this.#directory}/${FILE}`)
    try {
      return parse(Buffer.from(await file.read(0, FILE_BYTES_MAX)).toString())
    } finally {
      await file.close()
    }
  }

  async write(state: ScrubState): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(state))
    const file = await writeDurableFile(this.#disk, `${this.#directory}/${FILE}`, [bytes])
    await file.close()
  }
}

function parse(text: string): ScrubState {
  try {
    const state: unknown = JSON.parse(text)
    if (typeof state !== 'object' || state === null) return NEVER
    const number = (value: unknown) => (typeof value === 'number' && Number.isSafeInteger(value) ? value : null)
    return {
      lastFullMs: number(Reflect.get(state, 'lastFullMs')),
      nextLsn: number(Reflect.get(state, 'nextLsn')),
    }
  } catch {
    return NEVER
  }
}

export interface ScrubbedLog {
  scan(from: Lsn, to: Lsn, options: ScanOptions, visit: (record: LogRecord) => void | Promise<void>): Promise<void>
}

export interface Scrubbed {
  /** Damaged records: the log names them to the repairer by itself. */
  readonly rotten: number
  /** False: given up in the middle. */
  readonly whole: boolean
}

/** Proves the checksums of `first` to `last`. @param pace Awaited now and then; false: give up. */
export async function scrubRecords(
  log: ScrubbedLog,
  range: { readonly first: number; readonly last: number },
  pace: Pace,
): Promise<Scrubbed> {
  let rotten = 0
  let unpaced = 0
  let whole = true
  const visit = ({ meta, body }: LogRecord): void | Promise<void> => {
    unpaced += meta.byteLength + body.byteLength + RECORD_OVERHEAD_BYTES
    if (unpaced < PACE_BYTES) return undefined
    const bytes = unpaced
    unpaced = 0
    return pace(bytes).then((may) => {
      if (!may) throw new GivenUp()
    })
  }
  for (let from = range.first; from <= range.last && whole; ) {
    try {
      await log.scan(toLsn(from), toLsn(range.last), { bodies: true }, visit)
      break
    } catch (error) {
      if (error instanceof GivenUp) whole = false
      else if (error instanceof LogError && errorCode(error) === 'LOG_ROTTEN_RECORD') {
        rotten++
        from = Number(error.details['lsn']) + 1
      } else throw error
    }
  }
  if (whole && !(await pace(unpaced))) whole = false
  return { rotten, whole }
}
