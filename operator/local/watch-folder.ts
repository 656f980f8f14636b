/** Tells when YAML files in a folder changed: editors write in several steps, so a moment of quiet is waited for. */
import { watch } from 'node:fs'
import type { Clock } from '#lib/ports/clock.ts'

const QUIET_MS = 200

/** @returns how to stop watching. */
export function watchFolder(folder: string, clock: Clock, changed: () => void): () => void {
  let cancel = () => {}
  const watcher = watch(folder, () => {
    cancel()
    cancel = clock.after(QUIET_MS, changed)
  })
  return () => {
    cancel()
    watcher.close()
  }
}
