/** What every command gets: its words and options, where the array is, and how to speak. Exit codes are in one place. */
import type { LocalLayout } from '#operator/api/local-layout.ts'
import type { Options } from './arguments.ts'
import type { Say } from './messages/mod.ts'

export const Exit = { done: 0, failed: 1, usage: 2, notRunning: 3 } as const
export type Exit = (typeof Exit)[keyof typeof Exit]

export interface CommandContext {
  /** Words after the command's own. */
  readonly words: readonly string[]
  readonly options: Options
  readonly layout: LocalLayout
  /** Folder of the checkout. */
  readonly sourceDir: string
  readonly say: Say
  /** A line for the user on standard output. */
  readonly print: (line: string) => void
  /** A line about what went wrong, on standard error. */
  readonly complain: (line: string) => void
}

export type Command = (context: CommandContext) => Promise<Exit>

/** A failure that is told to the user as it stands, and ends the command. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exit: Exit

  constructor(message: string, exit: Exit = Exit.failed) {
    super(message)
    this.exit = exit
  }
}
