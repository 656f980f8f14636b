/**
 * The text index in a thread of its own: parsing, tokens and SQLite cost the event loop nothing but a copy of the letter. A file that cannot
 * be used is removed and begun anew: the feeder goes through the log again.
 */
import { Worker } from 'node:worker_threads'
import { CodedError, type ErrorSpec, errorMessage } from '#lib/errors/coded-error.ts'
import type { Lsn } from '#lib/mail/types.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { TextIndexWriter } from './port.ts'
import type { TextAnswer, TextQuestion } from './text-database.ts'
import type { WorkerReply, WorkerRequest } from './worker-messages.ts'

export const TEXT_INDEX_ERRORS = {
  TEXT_INDEX: {
    retry: true,
    meaning:
      'The text index could not be read or written. Searches look at every letter until it works again; no mail is affected.',
  },
} as const satisfies Record<string, ErrorSpec>

export class TextIndexError extends CodedError<keyof typeof TEXT_INDEX_ERRORS> {
  override readonly name = 'TextIndexError'
}

export const TEXT_INDEX_FILE = 'text.db'

export interface TextIndexPlace {
  readonly disk: Disk
  /** Below the disk's root. */
  readonly folder: string
  /** Absolute path of the disk's root. */
  readonly rootPath: string
}

/**
 * Opens the file at `place`, or a new one if it is damaged or ahead of what is committed.
 * @throws {TextIndexError} A new one cannot be opened either.
 */
export async function openTextIndex(place: TextIndexPlace, committed: Lsn): Promise<TextIndexWriter> {
  const path = `${place.rootPath}/${place.folder}/${TEXT_INDEX_FILE}`
  await place.disk.makeDirectory(place.folder)
  const opened = await WorkerTextIndex.open(path).catch(() => null)
  if (opened !== null && opened.appliedLsn <= committed) return opened
  await opened?.close()
  for (const suffix of ['', '-wal', '-shm']) await place.disk.remove(`${place.folder}/${TEXT_INDEX_FILE}${suffix}`)
  return WorkerTextIndex.open(path)
}

interface Asked {
  readonly resolve: (reply: WorkerReply) => void
  readonly reject: (error: Error) => void
}

export class WorkerTextIndex implements TextIndexWriter {
  readonly #worker: Worker
  readonly #asked: Asked[] = []
  #lost: TextIndexError | null = null
  #appliedLsn = 0

  private constructor(path: string) {
    this.#worker = new Worker(new URL('./text-worker.ts', import.meta.url), { workerData: { path } })
    this.#worker.unref()
    this.#worker.on('message', (reply: WorkerReply) => {
      const asked = this.#asked.shift()
      if (reply.kind === 'failed') asked?.reject(new TextIndexError('TEXT_INDEX', `Text index: ${reply.message}`))
      else asked?.resolve(reply)
    })
    this.#worker.on('error', (error) => this.#lose(errorMessage(error)))
    this.#worker.on('exit', () => this.#lose('its thread has ended'))
  }

  /** @throws {TextIndexError} The file cannot be used. */
  static async open(path: string): Promise<WorkerTextIndex> {
    const index = new WorkerTextIndex(path)
    const opened = await index.#reply()
    if (opened.kind === 'opened') index.#appliedLsn = opened.appliedLsn
    return index
  }

  get appliedLsn(): number {
    return this.#appliedLsn
  }

  async ask(account: string, questions: readonly TextQuestion[]): Promise<TextAnswer | null> {
    try {
      const reply = await this.#request({ kind: 'ask', account, questions })
      return reply.kind === 'answer' ? reply.answer : null
    } catch {
      return null // the search looks at everything; the feeder reports what is wrong
    }
  }

  async missing(account: string, emailIds: readonly string[]): Promise<readonly string[]> {
    const reply = await this.#request({ kind: 'missing', account, emailIds })
    return reply.kind === 'missing' ? reply.emailIds : []
  }

  async add(account: string, emailId: string, letter: Uint8Array | null): Promise<void> {
    await this.#request({ kind: 'add', account, emailId, letter })
  }

  async commit(lsn: number): Promise<void> {
    await this.#request({ kind: 'commit', lsn })
    this.#appliedLsn = lsn
  }

  async close(): Promise<void> {
    if (this.#lost === null) await this.#request({ kind: 'close' }).catch(() => undefined)
    await this.#worker.terminate()
  }

  #request(request: WorkerRequest): Promise<WorkerReply> {
    if (this.#lost !== null) return Promise.reject(this.#lost)
    this.#worker.postMessage(request)
    return this.#reply()
  }

  #reply(): Promise<WorkerReply> {
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }))
  }

  #lose(reason: string): void {
    this.#lost ??= new TextIndexError('TEXT_INDEX', `Text index: ${reason}`)
    for (const { reject } of this.#asked.splice(0)) reject(this.#lost)
  }
}
