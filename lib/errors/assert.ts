/** Assertions for bugs of our own; they stay on in production. Input from outside is never asserted, it is validated. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure'
}

export function assert(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new AssertionFailure(`Assertion failed: ${claim}`)
}

/** `value`, which the caller knows to be there. @throws {AssertionFailure} if it is null or undefined. */
export function known<T>(value: T | null | undefined, claim: string): T {
  if (value === null || value === undefined) throw new AssertionFailure(`Assertion failed: ${claim}`)
  return value
}

/** The end of an exhaustive switch: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`Assertion failed: unexpected ${JSON.stringify(value)}`)
}
