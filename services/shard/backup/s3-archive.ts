/**
 * An archive in a bucket that speaks S3: of a cloud, or MinIO, Ceph, Garage on machines of one's own. Objects are addressed by path
 * (`endpoint/bucket/key`), signed with AWS Signature 4 over the hash of what is sent, so a body that changes on its way is refused.
 */
import { hash } from 'node:crypto'
import { AwsClient } from 'aws4fetch'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Archive } from './archive.ts'
import { BackupError } from './errors.ts'

export interface S3Options {
  /** As `https://s3.eu-central-1.amazonaws.com`, without the bucket. */
  readonly endpoint: string
  readonly bucket: string
  /** What all names begin with, without slashes at its ends; may be empty. */
  readonly prefix: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** For one object or one page of names. */
const TIMEOUT_MS = 60_000
/** Of an answer that is no success, for its words. */
const PROBLEM_CHARACTERS_MAX = 500
/** The keeper tries again by itself; a burst of trouble is not worth telling of. */
const RETRIES = 3

export class S3Archive implements Archive {
  readonly #client: AwsClient
  readonly #base: string
  readonly #prefix: string

  constructor({ endpoint, bucket, prefix, region, accessKeyId, secretAccessKey }: S3Options) {
    this.#client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: RETRIES })
    this.#base = `${endpoint.replace(/\/+$/, '')}/${bucket}`
    this.#prefix = prefix
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#ask('PUT', this.#urlOf(name), Buffer.from(bytes))
  }

  async get(name: string): Promise<Uint8Array> {
    const answer = await this.#ask('GET', this.#urlOf(name))
    if (answer === null) throw new BackupError('BACKUP_MISSING', `The archive has no ${name}`)
    return new Uint8Array(await answer.arrayBuffer())
  }

  async list(folder: string): Promise<string[]> {
    const prefix = this.#keyOf(folder === '' ? '' : `${folder}/`)
    const names: string[] = []
    let token: string | null = null
    do {
      const query = new URLSearchParams({ 'list-type': '2', prefix, delimiter: '/' })
      if (token !== null) query.set('continuation-token', token)
      const answer = await this.#ask('GET', `${this.#base}?${query}`)
      const page: string = answer === null ? '' : await answer.text()
      const keys = [...texts(page, 'Key'), ...texts(page, 'Prefix')]
      for (const key of keys) {
        const name = key.slice(prefix.length).replace(/\/$/, '')
        if (key.startsWith(prefix) && name !== '') names.push(name)
      }
      token = texts(page, 'NextContinuationToken')[0] ?? null
    } while (token !== null)
    return names
  }

  /** Folders are only in names: there is nothing to remove of them. */
  async remove(name: string): Promise<void> {
    await this.#ask('DELETE', this.#urlOf(name))
  }

  #keyOf(name: string): string {
    return this.#prefix === '' ? name : `${this.#prefix}/${name}`
  }

  #urlOf(name: string): string {
    return `${this.#base}/${this.#keyOf(name).split('/').map(encodeURIComponent).join('/')}`
  }

  /** @returns Null: there is no such object. @throws {BackupError} BACKUP_STORE */
  async #ask(method: string, url: string, body: Buffer<ArrayBuffer> | null = null): Promise<Response | null> {
    const headers = { 'x-amz-content-sha256': hash('sha256', body ?? '', 'hex') }
    let answer: Response
    try {
      answer = await this.#client.fetch(url, { method, headers, body, signal: AbortSignal.timeout(TIMEOUT_MS) })
    } catch (cause) {
      throw new BackupError('BACKUP_STORE', `Cannot reach the archive ${this.#base}: ${errorMessage(cause)}`, { cause })
    }
    if (answer.ok) return answer
    const problem = (await answer.text()).slice(0, PROBLEM_CHARACTERS_MAX)
    if (answer.status === 404 && !/NoSuchBucket/.test(problem)) return null
    const [code = ''] = texts(problem, 'Code')
    throw new BackupError('BACKUP_STORE', `The archive ${this.#base} answers ${answer.status} ${code} to ${method}`)
  }
}

/** Texts of an element of the answers of S3, which are flat and written by programs. */
function texts(xml: string, element: string): string[] {
  return [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map(([, text = '']) =>
    text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? ''),
  )
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
