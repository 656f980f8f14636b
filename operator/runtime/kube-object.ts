/**
 * Objects of the Kubernetes API as raw JSON, as the server sends them: nothing is parsed into classes, so that a field newer than
 * this program survives, and a cache never holds two forms of one object.
 */
export interface KubeMetadata {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly finalizers?: readonly string[]
  readonly ownerReferences?: readonly object[]
  readonly managedFields?: readonly object[]
}

export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: KubeMetadata
  readonly [field: string]: unknown
}

/** A kind and where it lives in the API. */
export interface ResourceType {
  /** '' for the core group. */
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
}

/** `namespace/name`, or `name` for what has no namespace: the key of caches and queues. */
export function keyOf(object: { readonly metadata: Pick<KubeMetadata, 'name' | 'namespace'> }): string {
  const { namespace, name } = object.metadata
  return namespace === undefined ? name : `${namespace}/${name}`
}

export function splitKey(key: string): { readonly namespace: string | null; readonly name: string } {
  const slash = key.indexOf('/')
  return slash < 0 ? { namespace: null, name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}

/** Path of a collection (all namespaces with `null`), of an object, or of its subresource. */
export function pathOf(
  type: ResourceType,
  namespace: string | null,
  name: string | null = null,
  subresource: string | null = null,
): string {
  const parts = [
    type.group === '' ? '/api' : `/apis/${type.group}`,
    type.version,
    ...(type.namespaced && namespace !== null ? ['namespaces', encodeURIComponent(namespace)] : []),
    type.plural,
    ...(name === null ? [] : [encodeURIComponent(name)]),
    ...(subresource === null ? [] : [subresource]),
  ]
  return parts.join('/')
}

export function isKubeObject(value: unknown): value is KubeObject {
  if (typeof value !== 'object' || value === null || !('metadata' in value)) return false
  const { metadata } = value
  return typeof metadata === 'object' && metadata !== null && 'name' in metadata && typeof metadata.name === 'string'
}
