/** The text index of a replica from start to stop: opened beside everything else, since nobody waits for it, and fed for as long as it works. */
import type { Lsn } from '#lib/mail/types.ts'
import { type FeederOptions, startTextFeeder, type TextFeeder } from './feeder.ts'
import type { TextIndex, TextIndexWriter } from './port.ts'
import { openTextIndex, type TextIndexPlace } from './worker-text-index.ts'

export interface TextService extends TextIndex {
  /** Resolves when the file is closed. */
  stop(): Promise<void>
}

export function startTextService(
  options: Omit<FeederOptions, 'text' | 'appliedLsn'> & {
    readonly place: TextIndexPlace
    readonly appliedLsn: () => Lsn
  },
): TextService {
  const { place, appliedLsn, onFailure } = options
  let text: TextIndexWriter | null = null
  let feeder: TextFeeder | null = null
  let stopped = false
  const opened = openTextIndex(place, appliedLsn()).then(
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
