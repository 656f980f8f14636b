/**
 * What we wrote last and the watch has not told us yet. A look that comes between a write and its echo would take the old state for
 * the present one and write the same again.
 *
 * Invariant: an object is kept until the cache has it or a newer one; then the cache is right.
 */
import { type KubeObject, keyOf } from './kube-object.ts'

export class OwnWrites {
  readonly #written = new Map<string, KubeObject>()

  /** Takes note of an object as a write returned it. */
  note(object: KubeObject): void {
    this.#written.set(keyOf(object), object)
  }

  /** What the cache has, or what we wrote if that is newer. */
  newest(cached: KubeObject): KubeObject {
    const key = keyOf(cached)
    const own = this.#written.get(key)
    if (own === undefined) return cached
    if (own.metadata.uid === cached.metadata.uid && isNewer(own, cached)) return own
    this.#written.delete(key)
    return cached
  }

  /** The object is gone. */
  forget(key: string): void {
    this.#written.delete(key)
  }
}

/**
 * Versions of one kind can be compared where they are numbers, as those of etcd are (KEP-5504 makes that a promise); where they are
 * not, nothing is known and the cache is believed.
 */
function isNewer(a: KubeObject, b: KubeObject): boolean {
  const [versionA, versionB] = [a.metadata.resourceVersion ?? '', b.metadata.resourceVersion ?? '']
  return NUMBER.test(versionA) && NUMBER.test(versionB) && BigInt(versionA) > BigInt(versionB)
}

const NUMBER = /^[0-9]{1,20}$/
