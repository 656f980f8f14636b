/**
 * The lines of a watch: one JSON object each, cut anywhere by the network, also inside a character. A line longer than the
 * largest object that an API server stores is no line of its.
 */
import { KubeError } from './api-error.ts'
import { isKubeObject, type KubeObject } from './kube-object.ts'

export type WatchEvent =
  | { readonly kind: 'changed' | 'deleted'; readonly object: KubeObject; readonly resourceVersion: string }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string }
  /** The server ends the watch with a Status object. */
  | { readonly kind: 'error'; readonly status: number; readonly body: string }

const LINE_BYTES_MAX = 8 * 1024 * 1024 // etcd takes 1.5 MiB; JSON is larger than what is stored
const NEWLINE = 0x0a

/** Cuts a stream of bytes into events. */
export class WatchLines {
  #rest: Uint8Array[] = []
  #restBytes = 0

  /** The events that `chunk` completes. @throws {KubeError} KUBE_SERVER on what is no watch event. */
  push(chunk: Uint8Array): WatchEvent[] {
    const events: WatchEvent[] = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      const line = this.#take(chunk.subarray(from, at))
      from = at + 1
      if (line.trim() !== '') events.push(parseEvent(line))
    }
    const rest = chunk.subarray(from)
    if (rest.length > 0) {
      this.#rest.push(rest)
      this.#restBytes += rest.length
      if (this.#restBytes > LINE_BYTES_MAX) throw noEvent(`a line of more than ${LINE_BYTES_MAX} bytes`)
    }
    return events
  }

  #take(end: Uint8Array): string {
    const whole = Buffer.concat([...this.#rest, end])
    this.#rest = []
    this.#restBytes = 0
    return whole.toString('utf8')
  }
}

function parseEvent(line: string): WatchEvent {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    throw noEvent(line.slice(0, 120))
  }
  if (typeof parsed !== 'object' || parsed === null || !('type' in parsed) || !('object' in parsed)) {
    throw noEvent(line.slice(0, 120))
  }
  const { type, object } = parsed
  if (type === 'ERROR') return { kind: 'error', status: statusOf(object), body: JSON.stringify(object) }
  const resourceVersion = versionOf(object)
  if (resourceVersion === null) throw noEvent(line.slice(0, 120))
  if (type === 'BOOKMARK') return { kind: 'bookmark', resourceVersion }
  if (!isKubeObject(object)) throw noEvent(line.slice(0, 120))
  if (type === 'ADDED' || type === 'MODIFIED') return { kind: 'changed', object, resourceVersion }
  if (type === 'DELETED') return { kind: 'deleted', object, resourceVersion }
  throw noEvent(`an event of type ${JSON.stringify(type)}`)
}

function statusOf(object: unknown): number {
  return typeof object === 'object' && object !== null && 'code' in object && typeof object.code === 'number'
    ? object.code
    : 500
}

/** Bookmarks have a version and no name. */
function versionOf(object: unknown): string | null {
  if (typeof object !== 'object' || object === null || !('metadata' in object)) return null
  const { metadata } = object
  if (typeof metadata !== 'object' || metadata === null || !('resourceVersion' in metadata)) return null
  return typeof metadata.resourceVersion === 'string' ? metadata.resourceVersion : null
}

function noEvent(found: string): KubeError {
  return new KubeError('KUBE_SERVER', `Cannot read a watch: expected an event, got ${found}`)
}
