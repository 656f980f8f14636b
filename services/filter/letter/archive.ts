/**
 * Looks into zip and gzip files, and into those inside them, within one budget per letter. What cannot be opened (encrypted, broken,
 * too deep, too large for what it is) is told as such: a bomb is found by what it claims or by what it becomes, whichever is first.
 *
 * Invariants: never more than `bytesMax` bytes and `entriesMax` entries come out of one letter, whatever is nested in what; nothing an
 * archive holds makes it throw.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Entry, fromBufferPromise, type ZipFile } from 'yauzl'

export type ArchiveTrouble = 'encrypted' | 'broken' | 'too-deep' | 'bomb'

export interface ArchivedFile {
  /** Of the outermost archive to the file itself, with `/` between them. */
  readonly path: string
  readonly content: Buffer
}

export interface ArchiveReport {
  readonly files: readonly ArchivedFile[]
  readonly troubles: readonly { readonly kind: ArchiveTrouble; readonly path: string }[]
}

export interface ArchiveBudget {
  bytesLeft: number
  entriesLeft: number
}

/** Archives inside archives that are opened; mail has one, seldom two. */
export const ARCHIVE_DEPTH_MAX = 4
/** Deflate reaches 1,032 to 1; honest files stay far below 100. */
const RATIO_MAX = 200
/** Below this a high ratio is a text of blanks and harmless. */
const RATIO_BYTES_MIN = 1024 * 1024

const inflate = promisify(gunzip)

export type ArchiveKind = 'zip' | 'gzip'

/** By its first bytes. */
export function archiveKind(content: Buffer): ArchiveKind | null {
  if (content.length >= 4 && content.readUInt32BE(0) === 0x504b0304) return 'zip'
  if (content.length >= 22 && content.readUInt32BE(0) === 0x504b0506) return 'zip' // empty
  if (content.length >= 18 && content[0] === 0x1f && content[1] === 0x8b && content[2] === 8) return 'gzip'
  return null
}

/** Everything inside `content`, archives in it included. @param path Its name. */
export async function openArchive(path: string, content: Buffer, budget: ArchiveBudget): Promise<ArchiveReport> {
  const files: ArchivedFile[] = []
  const troubles: { kind: ArchiveTrouble; path: string }[] = []
  await look(path, content, 1)
  return { files, troubles }

  async function look(at: string, bytes: Buffer, depth: number): Promise<void> {
    const kind = archiveKind(bytes)
    if (kind === null) return
    if (depth > ARCHIVE_DEPTH_MAX) {
      troubles.push({ kind: 'too-deep', path: at })
      return
    }
    if (kind === 'gzip') await lookIntoGzip(at, bytes, depth)
    else await lookIntoZip(at, bytes, depth)
  }

  async function found(at: string, bytes: Buffer, depth: number): Promise<void> {
    files.push({ path: at, content: bytes })
    await look(at, bytes, depth + 1)
  }

  async function lookIntoGzip(at: string, bytes: Buffer, depth: number): Promise<void> {
    if (!takeEntry()) {
      troubles.push({ kind: 'bomb', path: at })
      return
    }
    const most = Math.min(budget.bytesLeft, Math.max(RATIO_BYTES_MIN, bytes.length * RATIO_MAX))
    let inner: Buffer
    try {
      inner = await inflate(bytes, { maxOutputLength: Math.max(1, most) })
    } catch (error) {
      const tooLarge = error instanceof RangeError
      troubles.push({ kind: tooLarge ? 'bomb' : 'broken', path: at })
      return
    }
    budget.bytesLeft -= inner.length
    await found(`${at}/${innerName(at)}`, inner, depth)
  }

  async function lookIntoZip(at: string, bytes: Buffer, depth: number): Promise<void> {
    let zip: ZipFile
    try {
      // Names with `..` or backslashes are names here, never paths on a disk.
      zip = await fromBufferPromise(bytes, { strictFileNames: false, decodeStrings: false })
    } catch {
      troubles.push({ kind: 'broken', path: at })
      return
    }
    try {
      for await (const entry of zip.eachEntry()) {
        if (!(await lookAtEntry(zip, entry, at, depth))) return
      }
    } catch {
      troubles.push({ kind: 'broken', path: at })
    }
  }

  /** @returns False: the budget is spent, look at no more. */
  async function lookAtEntry(zip: ZipFile, entry: Entry, at: string, depth: number): Promise<boolean> {
    const inner = `${at}/${nameOf(entry)}`
    if (!takeEntry()) {
      troubles.push({ kind: 'bomb', path: at })
      return false
    }
    if (inner.endsWith('/')) return true
    if (entry.isEncrypted()) {
      troubles.push({ kind: 'encrypted', path: inner })
      return true
    }
    const claimed = entry.uncompressedSize
    if (claimed > budget.bytesLeft || (claimed > RATIO_BYTES_MIN && claimed > entry.compressedSize * RATIO_MAX)) {
      troubles.push({ kind: 'bomb', path: inner })
      return true
    }
    const content = await read(zip, entry, claimed)
    if (content === null) troubles.push({ kind: 'broken', path: inner })
    else {
      budget.bytesLeft -= content.length
      await found(inner, content, depth)
    }
    return true
  }

  function takeEntry(): boolean {
    if (budget.entriesLeft <= 0 || budget.bytesLeft <= 0) return false
    budget.entriesLeft--
    return true
  }
}

/** Null: it is not what it claims to be, or packed in a way that nobody uses in mail. */
async function read(zip: ZipFile, entry: Entry, claimed: number): Promise<Buffer | null> {
  try {
    const stream = await zip.openReadStreamPromise(entry)
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > claimed) {
        stream.destroy()
        return null
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch {
    return null
  }
}

function nameOf(entry: Entry): string {
  return entry.fileNameRaw.toString('utf8')
}

/** `a.tar.gz` holds `a.tar`. */
function innerName(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return name.replace(/\.(?:gz|gzip|z)$/i, '').replace(/\.tgz$/i, '.tar') || 'content'
}
