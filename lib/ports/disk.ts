/**
 * The port through which bytes reach a disk. Real adapter: `lib/platform/node-disk.ts`; simulated: `sim/disk.ts`.
 *
 * Rules that both adapters keep: a write is durable only after `File.sync()` of that file, or `writeDurable`, resolved; a name is durable
 * only after `Disk.syncDirectory()` of its folder resolved. After a `sync()` that rejected nothing may be believed about
 * the writes since the last good one (the page cache lies). Paths are absolute or relative to the adapter's root, with `/`.
 */
export interface Disk {
  /** Opens an existing file for reading and writing. @throws {DiskError} DISK_NOT_FOUND */
  open(path: string): Promise<File>
  /** Creates a file that must not exist, open for reading and writing. @throws {DiskError} DISK_EXISTS */
  create(path: string): Promise<File>
  /** Names in a folder, unsorted; an absent folder is empty. */
  list(path: string): Promise<string[]>
  makeDirectory(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes creations, renames and removals in `path` durable. */
  syncDirectory(path: string): Promise<void>
  /** Free and total bytes of the volume that holds `path`. */
  space(path: string): Promise<{ freeBytes: number; totalBytes: number }>
}

export interface File {
  /** Reads up to `length` bytes at `position`; shorter only at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>
  /** Writes all `chunks` one after another from `position` on. Not durable before `sync()`. Buffers belong to the file until it resolves. */
  write(position: number, chunks: readonly Uint8Array[]): Promise<void>
  /** `write` and `sync` of what it wrote, in one step where the platform has one (O_DSYNC). Other writes may or may not become durable. */
  writeDurable(position: number, chunks: readonly Uint8Array[]): Promise<void>
  /** Makes every resolved write of this file durable (fdatasync). */
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}
