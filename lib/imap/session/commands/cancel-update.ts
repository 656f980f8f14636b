/** CANCELUPDATE (RFC 5267 section 4.3.5): results that were followed are not any more. */
import type { Command } from '../command.ts'
import { bad, ok } from '../outcome.ts'
import { SearchUpdates } from '../search/updates.ts'

export const cancelUpdate: Command = {
  state: 'selected',
  expunges: true,
  prepare(args) {
    const tags: string[] = []
    args.space()
    do tags.push(args.string())
    while (args.trySpace())
    args.end()
    return (session) => (SearchUpdates.of(session).cancel(tags) ? ok() : bad('No result of that command is followed'))
  },
}
