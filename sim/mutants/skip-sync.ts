/** Reports writes as durable that only the page cache has. */
import type { File } from '#lib/ports/disk.ts'

export * from '#shard/log/durability.ts'

export async function syncFile(): Promise<void> {}

export function writeDurably(file: File, position: number, chunks: readonly Uint8Array[]): Promise<void> {
  return file.write(position, chunks)
}
