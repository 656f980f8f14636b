/**
 * One account in a backup as a source: the shard's own program reads it (`services/shard/backup-main.ts extract`), its letters come one
 * after the other. They are put below a folder of their own, so that nothing that is there now is mixed with them.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { scriptEnvironment } from '../run-script.ts'
import { storableFlags } from './letter-text.ts'
import type { MailSource, SourceFolder, SourceLetter } from './source.ts'

export interface BackupAsk {
  readonly sourceDir: string
  readonly archive: string
  readonly secret: string | null
  readonly until: string | null
  readonly shard: string
  readonly account: string
  /** Folder that the mailboxes are put below. */
  readonly into: string
}

interface Line {
  readonly mailbox?: { readonly name: string; readonly subscribed: boolean; readonly uidValidity: number }
  readonly letter?: {
    readonly uid: number
    readonly flags: readonly string[]
    readonly internalDateMs: number
    readonly sizeBytes: number
  }
}

/** @throws when it is read: what the program said on standard error */
export function openBackupSource(ask: BackupAsk): MailSource {
  const { archive, until, account, into } = ask
  let child: ChildProcess | null = null
  return {
    name: `backup:${archive} ${account} ${until ?? 'newest'} ${into}`,
    async *folders() {
      const { reader, running, ended } = start(ask)
      child = running
      for (let line = await reader.line(); line !== null; ) {
        const { mailbox } = JSON.parse(line) as Line
        if (mailbox === undefined) throw new Error(`${account}: the backup was not read in order`)
        let next: string | null = null
        const folder: SourceFolder = {
          path: [into, ...mailbox.name.split('/')],
          specialUse: null,
          subscribed: true,
          validity: `backup-${mailbox.uidValidity}`,
          async *letters(known): AsyncGenerator<SourceLetter> {
            for (next = await reader.line(); next !== null; next = await reader.line()) {
              const { letter } = JSON.parse(next) as Line
              if (letter === undefined) return
              const bytes = await reader.bytes(letter.sizeBytes)
              const id = String(letter.uid)
              if (known.has(id)) continue
              yield { id, bytes, flags: storableFlags(letter.flags), date: new Date(letter.internalDateMs) }
            }
          },
        }
        yield folder
        line = next
      }
      await ended
    },
    close: async () => void child?.kill(),
  }
}

function start({ sourceDir, archive, secret, until, shard, account }: BackupAsk) {
  const args = ['extract', '--archive', archive, '--shard', shard, '--account', account]
  if (secret !== null) args.push('--secret', secret)
  if (until !== null) args.push('--until', until)
  const running = spawn(process.execPath, [join(sourceDir, 'services/shard/backup-main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: scriptEnvironment(),
  })
  let complaint = ''
  running.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  const ended = new Promise<void>((resolve, reject) => {
    running.once('error', reject)
    running.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(complaint.trim() || `exit code ${code}`)),
    )
  })
  ended.catch(() => {}) // told to whoever reads to the end
  return { running, ended, reader: new LineReader(running.stdout) }
}

/** Lines and runs of bytes out of one stream. */
class LineReader {
  readonly #chunks: AsyncIterator<Buffer>
  #buffered: Buffer = Buffer.alloc(0)

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  /** Null: the stream has ended. */
  async line(): Promise<string | null> {
    let end = this.#buffered.indexOf(10)
    while (end < 0) {
      if (!(await this.#more())) return null
      end = this.#buffered.indexOf(10)
    }
    const line = this.#buffered.subarray(0, end).toString('utf8')
    this.#buffered = this.#buffered.subarray(end + 1)
    return line
  }

  async bytes(count: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    let missing = count
    while (missing > 0) {
      if (this.#buffered.length === 0 && !(await this.#more()))
        throw new Error('the backup ended in the middle of a letter')
      const piece = this.#buffered.subarray(0, missing)
      pieces.push(piece)
      missing -= piece.length
      this.#buffered = this.#buffered.subarray(piece.length)
    }
    return Buffer.concat(pieces)
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#chunks.next()
    if (done) return false
    this.#buffered = this.#buffered.length === 0 ? value : Buffer.concat([this.#buffered, value])
    return true
  }
}
