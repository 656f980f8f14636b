/** Rule 3: what a mirror may be made to cut. Pure, and apart so that the simulator can put a wrong one in its place. */
import type { Lsn } from '#lib/mail/types.ts'

/** Whether a log may be cut above `common` by a replica that knows `commit` to be committed: never at or below it. */
export function mayCutAbove(common: Lsn, commit: Lsn): boolean {
  return common >= commit
}
