/**
 * What an import has done, line by line in a file, so that it goes on where it was ended, whenever that was. A batch is noted
 * before it is sent and again when the server has it; one that was noted once only is in doubt, and is looked for.
 *
 * Lines: `in <validity> <folder>`, `sending <uidnext> <id>:<sha256>,...`, `done`, `not <id>`.
 */
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorCode } from '#lib/errors/coded-error.ts'

export interface BatchItem {
  readonly id: string
  /** Of its bytes, hexadecimal. */
  readonly sha256: string
}

export interface Batch {
  /** UIDNEXT of the mailbox before it was sent. */
  readonly uidNext: number
  readonly items: readonly BatchItem[]
}

export interface FolderState {
  readonly validity: string
  /** Ids that are done, or were refused for good. */
  readonly known: Set<string>
  /** Sent, and nobody knows what came of it. */
  doubt: Batch | null
}

export class Journal {
  readonly #file: number
  readonly #folders: Map<string, FolderState>
  #current = ''

  /** @param path Made if it is not there. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    this.#folders = readJournal(textOf(path))
    this.#file = openSync(path, 'a', 0o600)
  }

  /** @returns null if the folder's ids mean other letters than when they were noted. */
  folder(name: string, validity: string): FolderState | null {
    const state = this.#folders.get(name)
    if (state && state.validity !== validity) return null
    const found = state ?? { validity, known: new Set<string>(), doubt: null }
    this.#folders.set(name, found)
    if (this.#current !== name) this.#write(`in ${validity} ${encodeURIComponent(name)}`)
    this.#current = name
    return found
  }

  sending(state: FolderState, batch: Batch): void {
    this.#write(`sending ${batch.uidNext} ${batch.items.map(({ id, sha256 }) => `${id}:${sha256}`).join(',')}`)
    state.doubt = batch
  }

  done(state: FolderState): void {
    this.#write('done')
    for (const { id } of state.doubt?.items ?? []) state.known.add(id)
    state.doubt = null
  }

  /** The batch in doubt was not carried out. */
  undone(state: FolderState): void {
    this.#write('undone')
    state.doubt = null
  }

  /** A letter that no server takes. */
  refused(state: FolderState, id: string): void {
    this.#write(`not ${id}`)
    state.known.add(id)
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(line: string): void {
    writeSync(this.#file, `${line}\n`)
    fdatasyncSync(this.#file)
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return ''
    throw error
  }
}

/** A last line without its end was not written to its end: it does not count. */
export function readJournal(text: string): Map<string, FolderState> {
  const folders = new Map<string, FolderState>()
  let state: FolderState | null = null
  for (const line of text.split('\n').slice(0, -1)) {
    const [word, first = '', second = ''] = line.split(' ')
    if (word === 'in') {
      const name = decodeURIComponent(second)
      state = folders.get(name) ?? { validity: first, known: new Set(), doubt: null }
      folders.set(name, state)
    } else if (state && word === 'sending') {
      const items = second.split(',').map((item) => {
        const [id = '', sha256 = ''] = item.split(':')
        return { id, sha256 }
      })
      state.doubt = { uidNext: Number(first), items }
    } else if (state && word === 'done') {
      for (const { id } of state.doubt?.items ?? []) state.known.add(id)
      state.doubt = null
    } else if (state && word === 'undone') state.doubt = null
    else if (state && word === 'not') state.known.add(first)
  }
  return folders
}
