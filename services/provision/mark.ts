/**
 * The mark that a command leaves on the account it changed: `<stream>:<sequence>:<command id>`. It orders the commands on one
 * account by their places in the stream, so that one which comes again after a crash cannot undo a later one.
 */
import type { CommandPlace } from '#lib/events/work-queue.ts'

export function markOf(place: CommandPlace, commandId: string): string {
  return `${place.stream}:${place.sequence}:${commandId}`
}

/** How the command with `mark` stands to the last one that was applied to an account. */
export type Standing = 'same' | 'newer' | 'older'

export function standing(mark: string, last: string): Standing {
  const [stream, sequence, id] = mark.split(':')
  const [lastStream, lastSequence, lastId] = last.split(':')
  if (id === lastId) return 'same'
  // Places of different streams say nothing about each other: then what comes now is what is wanted now.
  return stream === lastStream && Number(sequence) < Number(lastSequence) ? 'older' : 'newer'
}
