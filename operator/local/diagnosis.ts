/**
 * Tells a service that is still starting from one that will not come up by itself, and says why in words a person can act on.
 * Pure but for the log lines, which come in as a function.
 */
import type { SeenContainer, SeenPod } from '#operator/cluster/cluster.ts'

/** So many ends before it was ever ready are not a hiccup. */
const RESTARTS_HOPELESS = 3
const LOG_LINES = 12

/** @param everReady Names `<pod>/<container>` that were ready once: later ends are the supervisor's business. */
export function hopelessContainers(
  pods: readonly SeenPod[],
  everReady: ReadonlySet<string>,
): { readonly name: string; readonly container: SeenContainer }[] {
  return pods.flatMap((pod) =>
    pod.containers
      .map((container) => ({ name: `${pod.name}/${container.name}`, container }))
      .filter(
        ({ name, container }) => container.restarts >= RESTARTS_HOPELESS && !container.ready && !everReady.has(name),
      ),
  )
}

export function problemText(name: string, container: SeenContainer, logFile: string, log: string): string {
  const lines = log.trimEnd().split('\n').slice(-LOG_LINES)
  const head = `${name} does not come up: it ended ${container.restarts} times. Last lines of ${logFile}:`
  return [head, ...lines.map((line) => `  ${line}`)].join('\n')
}

export function waitingText(pod: SeenPod): string[] {
  return pod.containers
    .filter((container) => !container.ready)
    .map((container) => `${pod.name}/${container.name}: ${container.reason ?? container.state}`)
}
