/** THREAD=ORDEREDSUBJECT (RFC 5256 section 3): one thread for each base subject, all other messages of it below its first. */
import { compareFolded } from '../search/fold.ts'
import { patientSort } from '../sort/patient-sort.ts'
import type { ThreadMessage, ThreadNode } from './thread-node.ts'

interface Thread {
  readonly message: ThreadMessage
  readonly children: ThreadNode[]
}

/** @param messages In the order of the mailbox. */
export async function orderedSubject(
  messages: readonly ThreadMessage[],
  pause: () => Promise<void>,
): Promise<ThreadNode[]> {
  const ordered = await patientSort(
    messages,
    (a, b) => compareFolded(a.subject, b.subject) || a.sentMs - b.sentMs,
    pause,
  )
  const threads: Thread[] = []
  for (const message of ordered) {
    const thread = threads.at(-1)
    if (thread?.message.subject === message.subject) thread.children.push({ message, children: [] })
    else threads.push({ message, children: [] })
  }
  return patientSort(
    threads,
    (a, b) => a.message.sentMs - b.message.sentMs || a.message.number - b.message.number,
    pause,
  )
}
