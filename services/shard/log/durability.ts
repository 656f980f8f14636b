/** The calls on which every promise of the log rests, in one place: for those who look for them, and for the simulator's mutants. */
import type { Disk, File } from '#lib/ports/disk.ts'

/** When it resolves, everything that was written to the file survives a crash. */
export function syncFile(file: File): Promise<void> {
  return file.sync()
}

/** When it resolves, these bytes survive a crash. What else was written to the file needs a sync of its own. */
export function writeDurably(file: File, position: number, chunks: readonly Uint8Array[]): Promise<void> {
  return file.writeDurable(position, chunks)
}

/** When it resolves, the names in the folder survive a crash. */
export function syncNames(disk: Disk, directory: string): Promise<void> {
  return disk.syncDirectory(directory)
}
