/** THREAD and UID THREAD (RFC 5256 section 3). */
import { keysIn } from '../../syntax/search-keys.ts'
import { syntaxError } from '../../syntax/syntax-error.ts'
import { no, ok } from '../outcome.ts'
import { find } from '../search/find.ts'
import { readFields } from '../sort/read-fields.ts'
import { orderedSubject } from '../thread/ordered-subject.ts'
import { threadByReferences } from '../thread/references.ts'
import { type ThreadMessage, type ThreadNode, writeThreads } from '../thread/thread-node.ts'
import { onMessages } from './shapes.ts'

type Algorithm = (messages: readonly ThreadMessage[], pause: () => Promise<void>) => Promise<ThreadNode[]>

/** As `THREAD=` capabilities name them. */
const ALGORITHMS: ReadonlyMap<string, Algorithm> = new Map([
  ['ORDEREDSUBJECT', orderedSubject],
  ['REFERENCES', threadByReferences],
])

export const [thread, uidThread] = onMessages((args, by) => {
  const name = args.word()
  const algorithm = ALGORITHMS.get(name)
  if (algorithm === undefined) throw syntaxError(`Unknown threading algorithm ${name}`)
  args.space()
  const key = keysIn(args)
  return async (session) => {
    const { mailbox, host } = session
    const found = await find(session, mailbox, key)
    const messages: ThreadMessage[] = []
    const complete =
      found !== null &&
      (await readFields(session, mailbox, found.indexes, true, (index, facts, fields) => {
        const { subject, reply, messageId, references } = fields
        const number = by === 'uid' ? facts.uid : index + 1
        const sentMs = fields.sentMs ?? facts.internalDateMs
        messages.push({ number, sentMs, subject, reply, messageId, references })
      }))
    if (!complete) return no('UNAVAILABLE', 'Session is ending')
    await writeThreads(session, await algorithm(messages, () => host.pause()))
    return ok()
  }
})
