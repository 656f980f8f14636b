/**
 * The verbs of the Kubernetes API on raw objects. Small on purpose: whatever a controller writes goes by server-side apply with
 * its field manager, by a replace that carries the version read, or by a merge patch; nothing is read into classes and written
 * back, which would drop fields that this program does not know.
 *
 * A fence may stand before all changes: one that does not lead may read, and every change of its fails with KUBE_NOT_LEADER.
 */
import type { Readable } from 'node:stream'
import { errorOf, KubeError } from './api-error.ts'
import type { ApiAnswer, ApiConnection, ApiRequest } from './connection.ts'
import {
  apiVersionOf,
  isKubeObject,
  type KubeMetadata,
  type KubeObject,
  pathOf,
  type ResourceType,
} from './kube-object.ts'

/** An object as it is sent: what the server fills in is not there yet. */
export interface ObjectToWrite {
  readonly metadata: KubeMetadata
  readonly [field: string]: unknown
}

export interface ApplyOptions {
  /** One per controller: the server remembers who owns which field. */
  readonly fieldManager: string
  /** Takes fields over from other managers. Without it such a field gives KUBE_CONFLICT, with the fields as causes. */
  readonly force?: boolean
  readonly subresource?: 'status' | 'scale'
  /** The server does everything but store. */
  readonly dryRun?: boolean
}

export interface Selection {
  readonly labels?: Readonly<Record<string, string>>
  /** As `metadata.name=n1`. */
  readonly fields?: string
}

export interface ListResult {
  readonly items: KubeObject[]
  /** Version of the whole list, to watch from. */
  readonly resourceVersion: string
}

export interface ApiClient {
  /** The object, or null if the server says that there is none of this name. @throws {KubeError} */
  get(type: ResourceType, namespace: string | null, name: string): Promise<KubeObject | null>
  /** All objects, page by page. @param namespace null: of all namespaces. @throws {KubeError} */
  list(type: ResourceType, namespace: string | null, selection?: Selection): Promise<ListResult>
  /** @throws {KubeError} KUBE_EXISTS and others */
  create(type: ResourceType, object: ObjectToWrite): Promise<KubeObject>
  /** Server-side apply: makes the fields of `object` so, creates it if absent. @throws {KubeError} */
  apply(type: ResourceType, object: ObjectToWrite, options: ApplyOptions): Promise<KubeObject>
  /** Writes the whole object if it still has the version in its metadata. @throws {KubeError} KUBE_CONFLICT and others */
  replace(type: ResourceType, object: ObjectToWrite, subresource?: 'status'): Promise<KubeObject>
  /** JSON merge patch (RFC 7396). @throws {KubeError} */
  mergePatch(
    type: ResourceType,
    namespace: string | null,
    name: string,
    patch: Readonly<Record<string, unknown>>,
    subresource?: 'status',
  ): Promise<KubeObject>
  /** False if there was none. @param uid Only the object of this UID. @throws {KubeError} */
  delete(
    type: ResourceType,
    namespace: string | null,
    name: string,
    options?: { readonly uid?: string; readonly propagation?: 'Foreground' | 'Background' | 'Orphan' },
  ): Promise<boolean>
  /** The bytes of a watch. @throws {KubeError} if it does not begin */
  watch(
    type: ResourceType,
    namespace: string | null,
    options: Selection & {
      readonly resourceVersion: string
      readonly timeoutSeconds: number
      readonly signal: AbortSignal
    },
  ): Promise<Readable>
}

/** Bounds one answer; a list of everything is many answers. */
const PAGE_OBJECTS = 500
const WATCH_BEGIN_TIMEOUT_MS = 15_000

export function createApiClient(options: {
  readonly connection: ApiConnection
  /** Asked right before every change. Without it nothing is held back. */
  readonly mayWrite?: () => boolean
  /** Bound of one answer; the connection's own without it. */
  readonly timeoutMs?: number
}): ApiClient {
  const { connection, mayWrite, timeoutMs } = options

  const ask = async (request: ApiRequest): Promise<ApiAnswer> => {
    if (request.method !== 'GET' && mayWrite && !mayWrite()) {
      throw new KubeError('KUBE_NOT_LEADER', `Cannot ${request.doing}: this operator does not lead now`)
    }
    return connection.request(timeoutMs === undefined ? request : { ...request, timeoutMs })
  }
  const write = async (request: ApiRequest): Promise<KubeObject> => {
    const answer = await ask(request)
    if (answer.status >= 300) throw errorOf(request.doing, answer)
    return readObject(request.doing, answer.body)
  }

  return {
    async get(type, namespace, name) {
      const doing = `get ${wordsOf(type, namespace, name)}`
      const answer = await ask({ method: 'GET', path: pathOf(type, namespace, name), doing })
      if (answer.status < 300) return readObject(doing, answer.body)
      const error = errorOf(doing, answer)
      // A kind that the server does not know is no proof that there is no such object.
      if (error.code === 'KUBE_NOT_FOUND' && error.details['reason'] === 'NotFound') return null
      throw error
    },

    async list(type, namespace, selection = {}) {
      const doing = `list ${type.plural}${namespace === null ? '' : ` in ${namespace}`}`
      const items: KubeObject[] = []
      for (let next = ''; ; ) {
        const query = new URLSearchParams({ limit: String(PAGE_OBJECTS), ...selectors(selection) })
        if (next !== '') query.set('continue', next)
        const answer = await ask({ method: 'GET', path: `${pathOf(type, namespace)}?${query}`, doing })
        if (answer.status >= 300) throw errorOf(doing, answer)
        const page = readList(doing, answer.body)
        // Items of a list do not say what they are.
        for (const item of page.items) items.push({ ...item, apiVersion: apiVersionOf(type), kind: type.kind })
        if (page.next === '') return { items, resourceVersion: page.resourceVersion }
        next = page.next
      }
    },

    create: (type, object) =>
      write({
        method: 'POST',
        path: pathOf(type, object.metadata.namespace ?? null),
        body: JSON.stringify({ apiVersion: apiVersionOf(type), kind: type.kind, ...object }),
        doing: `create ${wordsOfObject(type, object)}`,
      }),

    apply(type, object, { fieldManager, force = false, subresource, dryRun = false }) {
      const query = new URLSearchParams({ fieldManager, fieldValidation: 'Strict' })
      if (force) query.set('force', 'true')
      if (dryRun) query.set('dryRun', 'All')
      const { namespace = null, name } = object.metadata
      return write({
        method: 'PATCH',
        path: `${pathOf(type, namespace, name, subresource ?? null)}?${query}`,
        contentType: 'application/apply-patch+yaml', // JSON is YAML
        body: JSON.stringify({ apiVersion: apiVersionOf(type), kind: type.kind, ...object }),
        doing: `apply ${subresource === undefined ? '' : `${subresource} of `}${wordsOfObject(type, object)}`,
      })
    },

    replace: (type, object, subresource) =>
      write({
        method: 'PUT',
        path: pathOf(type, object.metadata.namespace ?? null, object.metadata.name, subresource ?? null),
        body: JSON.stringify({ apiVersion: apiVersionOf(type), kind: type.kind, ...object }),
        doing: `replace ${wordsOfObject(type, object)}`,
      }),

    mergePatch: (type, namespace, name, patch, subresource) =>
      write({
        method: 'PATCH',
        path: pathOf(type, namespace, name, subresource ?? null),
        contentType: 'application/merge-patch+json',
        body: JSON.stringify(patch),
        doing: `patch ${wordsOf(type, namespace, name)}`,
      }),

    async delete(type, namespace, name, { uid, propagation = 'Background' } = {}) {
      const doing = `delete ${wordsOf(type, namespace, name)}`
      const body = JSON.stringify({
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: propagation,
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      })
      const answer = await ask({ method: 'DELETE', path: pathOf(type, namespace, name), body, doing })
      if (answer.status < 300) return true
      const error = errorOf(doing, answer)
      if (error.code === 'KUBE_NOT_FOUND' && error.details['reason'] === 'NotFound') return false
      throw error
    },

    async watch(type, namespace, { resourceVersion, timeoutSeconds, signal, ...selection }) {
      const doing = `watch ${type.plural}${namespace === null ? '' : ` in ${namespace}`}`
      const query = new URLSearchParams({
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion,
        timeoutSeconds: String(timeoutSeconds),
        ...selectors(selection),
      })
      const path = `${pathOf(type, namespace)}?${query}`
      const stream = await connection.stream({ method: 'GET', path, doing, signal, timeoutMs: WATCH_BEGIN_TIMEOUT_MS })
      if (stream.status === 200) return stream.body
      const body = Buffer.concat(await stream.body.toArray()).toString('utf8')
      throw errorOf(doing, { status: stream.status, retryAfter: stream.retryAfter, body })
    },
  }
}

function selectors({ labels, fields }: Selection): Record<string, string> {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`)
  return {
    ...(pairs.length === 0 ? {} : { labelSelector: pairs.join(',') }),
    ...(fields === undefined ? {} : { fieldSelector: fields }),
  }
}

function wordsOf(type: ResourceType, namespace: string | null, name: string): string {
  return `${type.kind} ${namespace === null ? '' : `${namespace}/`}${name}`
}

function wordsOfObject(type: ResourceType, object: ObjectToWrite): string {
  return wordsOf(type, object.metadata.namespace ?? null, object.metadata.name)
}

function readObject(doing: string, body: string): KubeObject {
  const parsed = readJson(doing, body)
  if (!isKubeObject(parsed)) throw new KubeError('KUBE_SERVER', `Cannot ${doing}: the answer is no object`)
  return parsed
}

function readList(doing: string, body: string): { items: KubeObject[]; resourceVersion: string; next: string } {
  const parsed = readJson(doing, body)
  if (typeof parsed !== 'object' || parsed === null) throw new KubeError('KUBE_SERVER', `Cannot ${doing}: no list came`)
  const { metadata, items } = parsed as { metadata?: Record<string, unknown>; items?: unknown }
  const resourceVersion = metadata?.['resourceVersion']
  const next = metadata?.['continue']
  if (typeof resourceVersion !== 'string' || (items !== null && !Array.isArray(items))) {
    throw new KubeError('KUBE_SERVER', `Cannot ${doing}: no list came`)
  }
  const objects: unknown[] = items ?? []
  if (!objects.every(isKubeObject)) throw new KubeError('KUBE_SERVER', `Cannot ${doing}: the list holds no objects`)
  return { items: objects, resourceVersion, next: typeof next === 'string' ? next : '' }
}

function readJson(doing: string, body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw new KubeError('KUBE_SERVER', `Cannot ${doing}: the answer is not JSON`, { cause })
  }
}
