/**
 * The files of a log: names, creation and replacement in the order that survives a crash at any point, and what is kept
 * in memory about each segment.
 *
 * Invariants: a file under its final name has a synced header; a name is relied on only after its folder was synced.
 */
import type { Lsn } from '#lib/mail/types.ts'
import type { Disk, File } from '#lib/ports/disk.ts'
import { syncFile, syncNames } from './durability.ts'
import type { EpochStart } from './epochs.ts'
import { encodeSegmentHeader, type SegmentHeader } from './format.ts'

const NAME = /^([0-9]{16})\.seg$/
/** A file that is being made; whatever carries such a name at start is left over and removed. */
export const UNFINISHED_SUFFIX = '.new'
export const CUT_DIRECTORY = 'cut'

/** What is known of a segment without reading it. */
export interface Segment {
  readonly path: string
  readonly firstLsn: number
  /** LSN after its last. */
  readonly nextLsn: number
  /** Where batches end. */
  readonly dataEnd: number
  readonly sizeBytes: number
  readonly epochs: readonly EpochStart[]
  /** The highest of any dropped run in it; 0 if it has none. */
  readonly horizon: number
  /** Set if the footer cannot be used: then the table was made by a walk and stays in memory. */
  readonly offsets: Uint32Array | null
}

export function segmentPath(directory: string, firstLsn: number): string {
  return `${directory}/${String(firstLsn).padStart(16, '0')}.seg`
}

/** First LSN of a segment's name, or null if the name is none of a segment. */
export function firstLsnOfName(name: string): number | null {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? null : Number(digits)
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '.' : path.slice(0, slash)
}

/**
 * Makes a folder whose name, and those of its parents, survive a crash. Syncs also what is there already: a process that was
 * killed before its sync leaves names that are seen and not durable.
 */
export async function makeDurableDirectory(disk: Disk, path: string): Promise<void> {
  await disk.makeDirectory(path)
  for (let folder = path; folder !== '.' && folder !== '/'; folder = parentOf(folder)) {
    await syncNames(disk, parentOf(folder))
  }
}

/** Writes a whole file under another name, syncs it, gives it its name, syncs the folder. Returns it open. */
export async function writeDurableFile(disk: Disk, path: string, chunks: readonly Uint8Array[]): Promise<File> {
  const unfinished = path + UNFINISHED_SUFFIX
  await disk.remove(unfinished)
  const file = await disk.create(unfinished)
  try {
    await file.write(0, chunks)
    await syncFile(file)
    await disk.rename(unfinished, path)
    await syncNames(disk, parentOf(path))
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Files that were being made when the process ended: nothing was ever promised of them. */
export async function removeUnfinished(disk: Disk, directory: string): Promise<void> {
  for (const name of await disk.list(directory)) {
    if (name.endsWith(UNFINISHED_SUFFIX)) await disk.remove(`${directory}/${name}`)
  }
}

export function createSegment(
  disk: Disk,
  directory: string,
  header: SegmentHeader,
  firstBytes: readonly Uint8Array[],
): Promise<File> {
  return writeDurableFile(disk, segmentPath(directory, header.firstLsn), [encodeSegmentHeader(header), ...firstBytes])
}

/**
 * Rule 15: on every start the tail goes to a new file. After a failed sync the old one may hold bytes that the page cache
 * shows and the disk does not have.
 */
export function rewriteTail(
  disk: Disk,
  directory: string,
  header: SegmentHeader,
  chunks: readonly Uint8Array[],
): Promise<File> {
  return createSegment(disk, directory, header, chunks)
}

/** Keeps what recovery cuts, for people who must find out later what was lost. */
export async function keepCutTail(
  disk: Disk,
  directory: string,
  nextLsn: Lsn,
  wallMs: number,
  bytes: Uint8Array,
): Promise<string> {
  const folder = `${directory}/${CUT_DIRECTORY}`
  await makeDurableDirectory(disk, folder)
  const taken = new Set(await disk.list(folder))
  const stem = `${String(nextLsn).padStart(16, '0')}-${wallMs}`
  let name = `${stem}.cut`
  for (let i = 2; taken.has(name); i++) name = `${stem}-${i}.cut`
  const file = await writeDurableFile(disk, `${folder}/${name}`, [bytes])
  await file.close()
  return `${folder}/${name}`
}
