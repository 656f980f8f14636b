/** Lines of an edge's log that speak of one letter: what it was answered, and what the filter's policy said. Pure. */
import { z } from 'zod'

export interface EdgeNote {
  /** Id under which servers of ours know the letter. */
  readonly trace: string
  readonly messageId: string
  readonly from: string
  readonly to: readonly string[]
  /** Of the letter as a whole; empty in a line of the policy. */
  readonly result: string
  readonly action: string
  /** Whom the decision is about; empty: all. */
  readonly recipient: string
  readonly reasons: readonly string[]
}

const Line = z.object({
  msg: z.enum(['letter', 'filter marks a letter', 'filter refuses a letter', 'letter was not judged']),
  trace: z.string(),
  messageId: z.string().default(''),
  from: z.string().default(''),
  to: z.array(z.string()).default([]),
  result: z.string().default(''),
  action: z.string().default(''),
  recipient: z.string().default(''),
  reasons: z.array(z.string()).default([]),
})

/** @returns null for a line that speaks of something else. */
export function noteOf(line: string): EdgeNote | null {
  if (!line.includes('"trace"')) return null
  try {
    const read = Line.safeParse(JSON.parse(line))
    if (!read.success) return null
    const { msg: _, ...note } = read.data
    return note
  } catch {
    return null // a line that was cut by a crash
  }
}
