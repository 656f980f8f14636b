/** Changes of entries and the answers to them that callers branch on. */
import { Attribute, Change, ResultCodeError } from 'ldapts'

/** RFC 4511 appendix A.1. */
export const Result = {
  noSuchAttribute: 16,
  constraintViolation: 19,
  attributeOrValueExists: 20,
  noSuchObject: 32,
  entryAlreadyExists: 68,
} as const

export function isResult(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof ResultCodeError && codes.includes(error.code)
}

export const add = (type: string, list: readonly string[]) => change('add', type, list)
export const remove = (type: string, list: readonly string[]) => change('delete', type, list)
/** None: the attribute goes. */
export const replace = (type: string, list: readonly string[]) => change('replace', type, list)

/** Deleting the old mark and adding the new one is one atomic step that fails if another writer was faster. */
export function markChanges(last: string, command: string): Change[] {
  if (command === last) return []
  return [remove('twinpostLastCommand', [last]), add('twinpostLastCommand', [command])]
}

/** Codes of a change that came too late: somebody else changed the entry, or it is gone. */
export const TOO_LATE = [Result.noSuchAttribute, Result.attributeOrValueExists, Result.noSuchObject] as const

function change(operation: 'add' | 'delete' | 'replace', type: string, list: readonly string[]): Change {
  return new Change({ operation, modification: new Attribute({ type, values: [...list] }) })
}
