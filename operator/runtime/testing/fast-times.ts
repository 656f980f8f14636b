/** Election times for tests: the shortest that whole seconds in a Lease allow. */
import type { ElectionTimes } from '../election-state.ts'

export const FAST_TIMES: ElectionTimes = { leaseMs: 3_000, renewDeadlineMs: 2_000, retryMs: 300 }
