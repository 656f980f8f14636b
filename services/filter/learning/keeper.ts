/**
 * Keeps what was learned over the end of a process: in a file, written whole and put in place by a rename; and a pod without a file asks
 * the pool's others. Losing it costs what users have taught, never a letter.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'
import { TLS_DEFAULTS, type TlsMaterial } from '#lib/tls/material.ts'
import { identityFromAltNames } from '#lib/tls/roles.ts'
import type { BayesMemory } from '../bayes/memory.ts'

const SAVE_EVERY_MS = 60_000
const ASK_MS = 5_000
/** A snapshot of the largest table, with room. */
const SNAPSHOT_BYTES_MAX = 256 * 1024 * 1024

export interface KeeperOptions {
  readonly memory: BayesMemory
  /** Null: nothing is written. */
  readonly file: string | null
  /** Addresses of all pods of the pool, this one among them; null: it stands alone. */
  readonly peers: (() => Promise<readonly string[]>) | null
  readonly ownAddress: string
  readonly port: number
  readonly tls: TlsMaterial | null
  readonly clock: Clock
  readonly logger: Logger
}

export class MemoryKeeper {
  readonly #options: KeeperOptions
  #saved = 0
  #cancel = () => {}

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** Brings back what is there: a sibling's, which is newer, else the file's. Never rejects. */
  async begin(): Promise<void> {
    const { memory, logger } = this.#options
    const found = (await this.#fromSibling()) ?? this.#fromFile()
    if (found !== null && !memory.restore(found.snapshot))
      logger.warn({ from: found.from }, 'cannot use what was learned')
    else if (found !== null)
      logger.info({ from: found.from, letters: memory.learned(''), signs: memory.signs }, 'learned before')
    this.#saved = memory.changes
    this.#again()
  }

  /** Writes what is new. */
  save(): void {
    const { memory, file, logger } = this.#options
    if (file === null || memory.changes === this.#saved) return
    try {
      writeFileSync(`${file}.new`, memory.snapshot(), { mode: 0o600 })
      renameSync(`${file}.new`, file)
      this.#saved = memory.changes
    } catch (error) {
      logger.warn({ reason: errorMessage(error) }, 'cannot keep what was learned')
    }
  }

  stop(): void {
    this.#cancel()
    this.save()
  }

  #again(): void {
    this.#cancel = this.#options.clock.after(SAVE_EVERY_MS, () => {
      this.save()
      this.#again()
    })
  }

  #fromFile(): { readonly snapshot: Buffer; readonly from: string } | null {
    const { file } = this.#options
    if (file === null) return null
    try {
      return { snapshot: readFileSync(file), from: file }
    } catch {
      return null // the first start
    }
  }

  async #fromSibling(): Promise<{ readonly snapshot: Buffer; readonly from: string } | null> {
    const { peers, ownAddress, port, tls, logger } = this.#options
    if (peers === null || tls === null) return null
    const addresses = await peers().catch(() => [])
    for (const address of addresses.filter((one) => one !== ownAddress)) {
      try {
        return { snapshot: await ask(address, port, tls), from: address }
      } catch (error) {
        logger.info({ address, reason: errorMessage(error) }, 'a sibling does not tell what it learned')
      }
    }
    return null
  }
}

function ask(host: string, port: number, tls: TlsMaterial): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host,
        port,
        path: '/memory',
        agent: false,
        timeout: ASK_MS,
        ...tls,
        ...TLS_DEFAULTS,
        checkServerIdentity: (_host, certificate) =>
          identityFromAltNames(certificate.subjectaltname)?.role === 'filter'
            ? undefined
            : new Error('its certificate is not that of a filter'),
      },
      (response) => {
        const pieces: Buffer[] = []
        let bytes = 0
        response.on('data', (piece: Buffer) => {
          bytes += piece.length
          if (bytes > SNAPSHOT_BYTES_MAX) asked.destroy(new Error('too much'))
          else pieces.push(piece)
        })
        response.on('end', () => {
          if (response.statusCode === 200) resolve(Buffer.concat(pieces))
          else reject(new Error(`it answered ${response.statusCode}`))
        })
        response.on('error', reject)
      },
    )
    asked.on('timeout', () => asked.destroy(new Error('it is silent')))
    asked.on('error', reject)
    asked.end()
  })
}
