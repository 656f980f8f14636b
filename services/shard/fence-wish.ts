/**
 * The wish of whoever runs the cluster that this replica be fenced or not, as a file says it (in Kubernetes a label of the pod, by the
 * downward API): `true`, `false`, or nothing, which leaves it as it is. So a fence reaches a member without a connection to it and
 * without rights of its own, and holds over restarts by the mark in the replica directory.
 *
 * A wish that could not be fulfilled (nobody can take over) is tried again at every look, and told once.
 */
import type { RoleCommand, RoleResult } from '#lib/frames/role-command.ts'
import type { Logger } from '#lib/log/logger.ts'
import type { Clock } from '#lib/ports/clock.ts'

const LOOK_MS = 2_000

export interface FenceWishOptions {
  /** Text of the file; null: there is none. */
  readonly read: () => string | null
  readonly command: (command: RoleCommand) => Promise<RoleResult>
  readonly clock: Clock
  readonly logger: Logger
}

/** @returns How to stop looking. */
export function followFenceWish({ read, command, clock, logger }: FenceWishOptions): () => void {
  let done: 'fence' | 'unfence' | null = null
  let told = ''
  let stopped = false
  let cancel = () => {}
  const look = async (): Promise<void> => {
    const text = read()?.trim()
    const kind = text === 'true' ? 'fence' : text === 'false' ? 'unfence' : null
    if (kind !== null && kind !== done) {
      const result = await command({ kind })
      if (result.done) done = kind
      if (result.words !== told) logger.info({ kind, ...result }, 'the cluster asks for a fence or its end')
      told = result.words
    }
    if (!stopped) cancel = clock.after(LOOK_MS, () => void look())
  }
  void look()
  return () => {
    stopped = true
    cancel()
  }
}
