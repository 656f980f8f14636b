/** The text index of a replica from start to stop: opened beside everything else, since nobody waits for it, and fed for as long as it works. */
import type { Lsn } from '#lib/mail/types.ts'
import { type FeederOptions, startTextFeeder, type TextFeeder } from './feeder.ts'
import type { TextIndex, TextIndexWriter } from './port.ts'
import { openTextIndex, type TextIndexPlace } from './worker-text-index.ts'

export interface TextService extends TextIndex {
  /** Resolves when the file is closed. */
  stop(): Promise<void>
}

export interface TextServiceOptions extends Omit<FeederOptions, 'text'> {
  readonly place: TextIndexPlace
  /** A file that holds more than this was fed from another history of the shard. 0: whatever is there was. */
  readonly usableUpTo: Lsn
}

export function startTextService(options: TextServiceOptions): TextService {
  const { place, usableUpTo, onFailure } = options
  let text: TextIndexWriter | null = null
  let feeder: TextFeeder | null = null
  let stopped = false
  const opened = openTextIndex(place, usableUpTo).then(
    (index) => {
      text = index
      if (!stopped) feeder = startTextFeeder({ ...options, text: index })
    },
    (error: unknown) => onFailure(error instanceof Error ? error : new Error(String(error))),
  )
  return {
    get appliedLsn() {
      return text?.appliedLsn ?? 0
    },
    ask: async (account, questions) => (await text?.ask(account, questions)) ?? null,
    async stop() {
      stopped = true
      await opened
      await feeder?.stop()
      await text?.close()
    },
  }
}
