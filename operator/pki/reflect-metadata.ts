/**
 * The part of the Reflect metadata API that @peculiar/x509 asks for when it is loaded (through tsyringe): metadata kept per
 * object, nothing inherited. Its certificates do not depend on what is stored here. Import it before the library.
 */
const store = new WeakMap<object, Map<unknown, unknown>>()

const metadataApi = {
  getMetadata: (key: unknown, target: object): unknown => store.get(target)?.get(key),
  getOwnMetadata: (key: unknown, target: object): unknown => store.get(target)?.get(key),
  hasOwnMetadata: (key: unknown, target: object): boolean => store.get(target)?.has(key) ?? false,
  defineMetadata(key: unknown, value: unknown, target: object): void {
    const found = store.get(target) ?? new Map<unknown, unknown>()
    found.set(key, value)
    store.set(target, found)
  },
}
if (!('getMetadata' in Reflect)) Object.assign(Reflect, metadataApi)
