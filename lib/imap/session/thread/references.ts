/**
 * THREAD=REFERENCES (RFC 5256 section 3; the algorithm of Jamie Zawinski): trees by References and In-Reply-To, and trees without a common
 * ancestor joined by subject. The steps bear the numbers of the RFC. No recursion: a chain of replies may be as long as the mailbox.
 */
import { THREAD_NODES_MAX } from '../../limits.ts'
import { refusal } from '../../syntax/syntax-error.ts'
import { patientSort } from '../sort/patient-sort.ts'
import type { ThreadMessage, ThreadNode } from './thread-node.ts'

/** A place in a tree; a dummy as long as its message was not met. */
interface Container extends ThreadNode {
  message: ThreadMessage | null
  parent: Container | null
  children: Set<Container>
}

/** Children of the many that have none: a set of its own for each would be most of the memory. */
const NONE: Set<Container> = new Set()

/** Work done before others get a turn. */
const TURN = 4096

/** Counts what was done and gives others a turn now and then. */
class Turns {
  readonly #pause: () => Promise<void>
  #done = 0

  constructor(pause: () => Promise<void>) {
    this.#pause = pause
  }

  /** @returns Null mostly: awaiting something each time would cost more than the work. */
  next(work = 1): Promise<void> | null {
    this.#done += work
    if (this.#done < TURN) return null
    this.#done = 0
    return this.#pause()
  }
}

/** @param messages In the order of the mailbox. */
export async function threadByReferences(
  messages: readonly ThreadMessage[],
  pause: () => Promise<void>,
): Promise<ThreadNode[]> {
  const turns = new Turns(pause)
  const all = await link(messages, turns)
  const roots = await prune(
    all.filter(({ parent }) => parent === null),
    turns,
  )
  await sortChildren(roots, pause, turns) // for the dates and subjects of dummies
  const threads = joinBySubject(await sortSiblings(roots, pause))
  await sortChildren(threads, pause, turns)
  return sortSiblings(threads, pause)
}

/** Step 1. */
async function link(messages: readonly ThreadMessage[], turns: Turns): Promise<Container[]> {
  const all: Container[] = []
  const byId = new Map<string, Container>()
  const create = (message: ThreadMessage | null): Container => {
    if (all.length === THREAD_NODES_MAX) throw refusal('LIMIT', 'Too many messages for threads: search for fewer')
    const container: Container = { message, parent: null, children: NONE }
    all.push(container)
    return container
  }
  const named = (id: string): Container => {
    let container = byId.get(id)
    if (container === undefined) {
      container = create(null)
      byId.set(id, container)
    }
    return container
  }
  for (const message of messages) {
    // A. The ancestors in their order; what is linked already stays.
    let before: Container | null = null
    for (const id of message.references) {
      const container = named(id)
      if (before !== null && container.parent === null && !reaches(container, before)) adopt(before, container)
      before = container
    }
    // A message without an id of its own is nobody's ancestor.
    let own = message.messageId === '' ? create(null) : named(message.messageId)
    if (own.message !== null) own = create(null)
    own.message = message
    // B. The last of them is the parent, whatever the references of others made of this message.
    leave(own)
    if (before !== null && !reaches(own, before)) adopt(before, own)
    await turns.next(1 + message.references.length)
  }
  return all
}

/** Whether `container` is `of` or an ancestor of it: making it a child would make a loop. */
function reaches(container: Container, of: Container): boolean {
  if (container === of) return true
  if (container.children.size === 0) return false
  for (let at = of.parent; at !== null; at = at.parent) if (at === container) return true
  return false
}

function adopt(parent: Container, child: Container): void {
  child.parent = parent
  if (parent.children === NONE) parent.children = new Set()
  parent.children.add(child)
}

function leave(child: Container): void {
  child.parent?.children.delete(child)
  child.parent = null
}

/** Step 3: dummies go and their children take their places; at the top one stays if it holds several together. */
async function prune(roots: readonly Container[], turns: Turns): Promise<Container[]> {
  for (const container of fromTheLeaves(roots)) {
    if (container.children === NONE) continue
    const children = new Set<Container>()
    for (const child of container.children) {
      if (child.message !== null) children.add(child)
      else for (const grandchild of child.children) children.add(grandchild)
    }
    container.children = children
    for (const child of children) child.parent = container
    await turns.next(1 + children.size)
  }
  const kept: Container[] = []
  for (const root of roots) {
    if (root.message !== null || root.children.size > 1) kept.push(root)
    else kept.push(...root.children)
  }
  for (const root of kept) root.parent = null
  return kept
}

/** All containers below and including `roots`, children before their parents. */
function fromTheLeaves(roots: readonly Container[]): Container[] {
  const order: Container[] = []
  const waiting = [...roots]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    order.push(at)
    for (const child of at.children) waiting.push(child)
  }
  return order.reverse()
}

/** Steps 4 and 6: siblings by date. A dummy has the date of its first child, which is known once its children are sorted. */
async function sortChildren(roots: readonly Container[], pause: () => Promise<void>, turns: Turns): Promise<void> {
  for (const container of fromTheLeaves(roots)) {
    if (container.children.size > 1) {
      container.children = new Set(await sortSiblings([...container.children], pause))
    }
    await turns.next(1 + container.children.size)
  }
}

async function sortSiblings(siblings: readonly Container[], pause: () => Promise<void>): Promise<Container[]> {
  if (siblings.length < TURN) return siblings.toSorted(byDate)
  return patientSort(siblings, byDate, pause)
}

function byDate(a: Container, b: Container): number {
  const [x, y] = [first(a), first(b)]
  return (x?.sentMs ?? 0) - (y?.sentMs ?? 0) || (x?.number ?? 0) - (y?.number ?? 0)
}

/** The message of a container, or that of a dummy's first child. */
function first(container: Container): ThreadMessage | null {
  if (container.message !== null) return container.message
  const [child] = container.children
  return child?.message ?? null
}

/** Step 5. @param roots Sorted by date. */
function joinBySubject(roots: readonly Container[]): Container[] {
  // B. For each subject the thread that others join: a dummy rather than a message, what began it rather than a reply.
  const bySubject = new Map<string, Container>()
  for (const root of roots) {
    const message = first(root)
    if (message === null || message.subject === '') continue
    const known = bySubject.get(message.subject)
    if (known === undefined) bySubject.set(message.subject, root)
    else if (known.message === null) continue
    else if (root.message === null || (known.message.reply && !root.message.reply)) bySubject.set(message.subject, root)
  }
  // C.
  const threads = new Set(roots)
  for (const root of roots) {
    const subject = first(root)?.subject ?? ''
    const known = bySubject.get(subject)
    if (subject === '' || known === undefined || known === root) continue
    threads.delete(root)
    if (known.message === null && root.message === null) for (const child of root.children) adopt(known, child)
    else if (known.message === null || (root.message?.reply === true && !known.message.reply)) adopt(known, root)
    else {
      // Neither is the answer to the other: both stand below a new dummy, in the place of the one that was known.
      const dummy: Container = { message: null, parent: null, children: NONE }
      threads.delete(known)
      threads.add(dummy)
      adopt(dummy, known)
      adopt(dummy, root)
      bySubject.set(subject, dummy)
    }
  }
  return [...threads]
}
