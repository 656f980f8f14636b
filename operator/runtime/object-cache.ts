/**
 * The last known state of all objects of one kind, by key. Filled by a reflector only, read by everybody; what is in it is never
 * changed in place. `managedFields` are left out: they are half of an object's size and nothing here reads them.
 */
import { type KubeObject, keyOf } from './kube-object.ts'

export class ObjectCache {
  readonly #objects = new Map<string, KubeObject>()

  get size(): number {
    return this.#objects.size
  }

  get(key: string): KubeObject | null {
    return this.#objects.get(key) ?? null
  }

  list(): KubeObject[] {
    return [...this.#objects.values()]
  }

  /** Takes an object in. @returns Whether it differs from what was there. */
  put(object: KubeObject): boolean {
    const key = keyOf(object)
    const before = this.#objects.get(key)
    this.#objects.set(key, withoutManagedFields(object))
    return before?.metadata.resourceVersion !== object.metadata.resourceVersion || before === undefined
  }

  /** @returns Whether it was there. */
  remove(key: string): boolean {
    return this.#objects.delete(key)
  }

  /** Makes the cache hold exactly `objects`. @returns What is new or changed, and what is gone as it was last known. */
  replace(objects: readonly KubeObject[]): KubeObject[] {
    const wanted = new Set(objects.map(keyOf))
    const gone = this.list().filter((object) => !wanted.has(keyOf(object)))
    for (const object of gone) this.#objects.delete(keyOf(object))
    return [...gone, ...objects.filter((object) => this.put(object))]
  }
}

function withoutManagedFields(object: KubeObject): KubeObject {
  if (object.metadata.managedFields === undefined) return object
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}
