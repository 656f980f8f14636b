/** How much of the time the event loop of this process is at work: what background work goes by. */
import { performance } from 'node:perf_hooks'

/** @returns The share since it was last asked, from 0 to 1; worker threads do not count. */
export function eventLoopLoad(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
