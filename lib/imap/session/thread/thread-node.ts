/** Trees of THREAD (RFC 5256 section 4), and how they are written. */
import type { SessionContext } from '../context.ts'

/** What threading wants to know of one message. */
export interface ThreadMessage {
  /** Sequence number or UID, as the answer shows it. */
  readonly number: number
  readonly sentMs: number
  /** Folded base subject. */
  readonly subject: string
  readonly reply: boolean
  /** Empty: none. */
  readonly messageId: string
  readonly references: readonly string[]
}

export interface ThreadNode {
  /** Null: a parent that is not among the messages; only at the top, and with several children. */
  readonly message: ThreadMessage | null
  readonly children: Iterable<ThreadNode>
}

/** Nodes written before others get a turn. */
const TURN = 4096

/** `* THREAD (2)(3 6 (4 23)(44 7 96))` (RFC 5256 section 4), however deep. */
export async function writeThreads(
  { out, host }: Pick<SessionContext, 'out' | 'host'>,
  roots: readonly ThreadNode[],
): Promise<void> {
  out.write(roots.length === 0 ? '* THREAD' : '* THREAD ')
  const waiting: (ThreadNode | string)[] = roots.toReversed()
  let written = 0
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next === 'string') {
      out.write(next)
      continue
    }
    out.write('(')
    waiting.push(')', ...writeLine(next, (text) => out.write(text)).toReversed())
    if (++written % TURN !== 0) continue
    if (out.congested) await out.ready()
    await host.pause()
  }
  out.write('\r\n')
}

/** A message, its only child, that one's only child, and so on. @returns The branches at its end. */
function writeLine(node: ThreadNode, write: (text: string) => void): readonly ThreadNode[] {
  let separator = ''
  for (let at = node; ; ) {
    if (at.message !== null) {
      write(`${separator}${at.message.number}`)
      separator = ' '
    }
    const children = [...at.children]
    const [only] = children
    if (children.length !== 1 || only === undefined) {
      if (children.length > 0) write(separator)
      return children
    }
    at = only
  }
}
