/**
 * What is in an image, read from a docker archive (`docker save`, `buildah push docker-archive:`): no daemon, nothing unpacked. Later
 * layers win, and whiteouts take away, as the image specification says.
 */
import { closeSync, openSync, readSync } from 'node:fs'

const BLOCK = 512

/** One member of a tar archive; `offset` is where its bytes begin in the file. */
export interface TarMember {
  readonly path: string
  readonly kind: 'file' | 'folder' | 'link'
  readonly offset: number
  readonly size: number
}

export interface ImageFile extends TarMember {
  readonly layer: number
}

export interface ImageConfig {
  readonly architecture: string
  readonly config: { readonly User?: string; readonly Labels?: Readonly<Record<string, string>> }
}

export class ImageArchive {
  readonly #file: number
  readonly #path: string
  readonly name: string
  readonly config: ImageConfig
  /** All that a container sees, by path without a leading slash. */
  readonly files: ReadonlyMap<string, ImageFile>

  /** @throws {Error} if the file is no docker archive of one image with layers as plain tar. */
  constructor(path: string) {
    this.#path = path
    this.#file = openSync(path, 'r')
    const members = new Map([...this.#members(0, Number.POSITIVE_INFINITY)].map((member) => [member.path, member]))
    const [manifest] = this.#json<{ Config: string; RepoTags: string[] | null; Layers: string[] }[]>(
      members,
      'manifest.json',
    )
    if (manifest === undefined) throw new Error(`Cannot read ${path}: it holds no image`)
    this.name = manifest.RepoTags?.[0] ?? ''
    this.config = this.#json<ImageConfig>(members, manifest.Config)
    const files = new Map<string, ImageFile>()
    for (const [layer, name] of manifest.Layers.entries()) {
      const tar = members.get(name)
      if (tar === undefined) throw new Error(`Cannot read ${path}: layer ${name} is missing`)
      for (const member of this.#members(tar.offset, tar.offset + tar.size)) overlay(files, { ...member, layer })
    }
    this.files = files
  }

  /** @returns Null if there is no such file. */
  text(path: string): string | null {
    const file = this.files.get(path)
    return file === undefined || file.kind !== 'file' ? null : this.#bytes(file.offset, file.size).toString('utf8')
  }

  close(): void {
    closeSync(this.#file)
  }

  #json<T>(members: ReadonlyMap<string, TarMember>, name: string): T {
    const member = members.get(name)
    if (member === undefined)
      throw new Error(`Cannot read ${this.#path}: ${name} is missing, is this a docker archive?`)
    return JSON.parse(this.#bytes(member.offset, member.size).toString('utf8')) as T
  }

  /** Members of a tar archive between two offsets of the file: ustar, and the long names of pax and GNU. */
  *#members(from: number, to: number): Generator<TarMember> {
    let long: string | null = null
    for (let at = from; at + BLOCK <= to; ) {
      const header = this.#bytes(at, BLOCK)
      if (header.length < BLOCK || header[0] === 0) return
      const size = Number.parseInt(textIn(header, 124, 12).trim() || '0', 8)
      const type = String.fromCharCode(header[156] ?? 0)
      const offset = at + BLOCK
      at = offset + Math.ceil(size / BLOCK) * BLOCK
      if (type === 'x') long = paxPath(this.#bytes(offset, size)) ?? long
      else if (type === 'L') long = textIn(this.#bytes(offset, size), 0, size)
      else if (type !== 'g' && type !== 'K') {
        const prefix = textIn(header, 345, 155)
        const path = (long ?? (prefix === '' ? '' : `${prefix}/`) + textIn(header, 0, 100)).replace(
          /^(\.?\/)+|\/+$/g,
          '',
        )
        long = null
        const kind = type === '5' ? 'folder' : type === '0' || type === '\0' ? 'file' : 'link'
        if (path !== '' && path !== '.') yield { path, kind, offset, size }
      }
    }
  }

  #bytes(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length)
    const read = readSync(this.#file, bytes, 0, length, offset)
    return bytes.subarray(0, read)
  }
}

function overlay(files: Map<string, ImageFile>, file: ImageFile): void {
  const slash = file.path.lastIndexOf('/') + 1
  const [folder, name] = [file.path.slice(0, slash), file.path.slice(slash)]
  if (name === '.wh..wh..opq') removeBelow(files, folder, file.layer)
  else if (name.startsWith('.wh.')) {
    const gone = folder + name.slice('.wh.'.length)
    files.delete(gone)
    removeBelow(files, `${gone}/`, file.layer)
  } else files.set(file.path, file)
}

/** Takes away what layers below `layer` put there. */
function removeBelow(files: Map<string, ImageFile>, folder: string, layer: number): void {
  for (const [path, file] of files) if (path.startsWith(folder) && file.layer < layer) files.delete(path)
}

function textIn(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.subarray(0, end === -1 ? length : end).toString('utf8')
}

/** `path` of a pax header: records `length key=value\n`. */
function paxPath(bytes: Buffer): string | null {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    const length = Number.parseInt(bytes.subarray(at, space).toString('latin1'), 10)
    if (space === -1 || !(length > 0)) return null
    const record = bytes.subarray(space + 1, at + length - 1).toString('utf8')
    if (record.startsWith('path=')) return record.slice('path='.length)
    at += length
  }
  return null
}
