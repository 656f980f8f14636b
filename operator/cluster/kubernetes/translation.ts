/**
 * Between what builders render and what the API holds. Pure. Two things differ: Secrets are written as `data`, since the API takes
 * `stringData` in but never shows it, so that a key which is no longer wanted would stay; and a pod template says which template
 * it is, so that a pod made from it can be told from one that is outdated.
 */
import type { KubeObject } from '#operator/runtime/kube-object.ts'
import type { SeenContainer, SeenPod } from '../cluster.ts'
import type { Manifest } from '../objects.ts'
import { templateHash } from '../template-hash.ts'

export const TEMPLATE_ANNOTATION = 'twinpost.io/template'

/** The object as it is applied. */
export function toApi(manifest: Manifest): KubeObject {
  switch (manifest.kind) {
    case 'Secret': {
      const { stringData, ...rest } = manifest
      const data = Object.entries(stringData).map(([key, text]) => [key, Buffer.from(text).toString('base64')])
      return { ...rest, data: Object.fromEntries(data) }
    }
    case 'StatefulSet':
    case 'Deployment': {
      const { template } = manifest.spec
      const annotations = { ...template.metadata.annotations, [TEMPLATE_ANNOTATION]: templateHash(manifest) }
      return {
        ...manifest,
        spec: { ...manifest.spec, template: { ...template, metadata: { ...template.metadata, annotations } } },
      }
    }
    default:
      return { ...manifest }
  }
}

/** An object of the API as a manifest; fields that no builder sets are there as well. */
export function fromApi(object: KubeObject): Manifest {
  if (object.kind !== 'Secret') return object as unknown as Manifest
  const { data, ...rest } = object
  const texts = Object.entries((data ?? {}) as Record<string, string>).map(([key, text]) => [
    key,
    Buffer.from(text, 'base64').toString('utf8'),
  ])
  return { ...rest, stringData: Object.fromEntries(texts) } as unknown as Manifest
}

/** A pod that is being deleted counts as not ready, whatever its conditions still say. */
export function seenPod(pod: KubeObject): SeenPod {
  const { name, namespace = '', uid = '', labels = {}, annotations = {}, deletionTimestamp } = pod.metadata
  const status = recordOf(pod['status'])
  const conditions = listOf(status['conditions'])
  const ready = conditions.some((one) => one['type'] === 'Ready' && one['status'] === 'True')
  const unplaced = conditions.find((one) => one['type'] === 'PodScheduled' && one['status'] === 'False')
  return {
    name,
    namespace,
    uid,
    ip: textOf(status['podIP']),
    labels,
    templateHash: annotations[TEMPLATE_ANNOTATION] ?? '',
    ready: ready && deletionTimestamp === undefined,
    ...(unplaced === undefined ? {} : { unplaced: textOf(unplaced['message']) || textOf(unplaced['reason']) }),
    containers: listOf(status['containerStatuses']).map(seenContainer),
  }
}

function seenContainer(status: Record<string, unknown>): SeenContainer {
  const state = recordOf(status['state'])
  const [running, waiting, terminated] = ['running', 'waiting', 'terminated'].map((one) => state[one])
  const startedAt = textOf(recordOf(running)['startedAt'])
  const ready = status['ready'] === true
  return {
    name: textOf(status['name']),
    state: running ? (status['started'] === true ? 'running' : 'starting') : terminated ? 'stopped' : 'waiting',
    ready,
    restarts: typeof status['restartCount'] === 'number' ? status['restartCount'] : 0,
    pid: null, // the kubelet's business
    startedAtMs: startedAt === '' ? null : Date.parse(startedAt),
    reason: ready
      ? null
      : reasonOf(recordOf(waiting), recordOf(terminated), recordOf(recordOf(status['lastState'])['terminated'])),
  }
}

function reasonOf(...states: readonly Record<string, unknown>[]): string | null {
  const words = states.flatMap((state) => {
    const code = state['exitCode'] === undefined ? '' : `exit code ${String(state['exitCode'])}`
    const text = [textOf(state['reason']), textOf(state['message']), code].filter((word) => word !== '').join(', ')
    return text === '' ? [] : [text]
  })
  return words[0] ?? null
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(recordOf) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
