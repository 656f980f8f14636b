/** `twinpost logs`: last lines of the log files of all processes, or of those a name begins with; with -f also what comes. */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import { type CommandContext, Exit } from '../context.ts'

const FOLLOW_MS = 300
/** Enough for any number of lines that a person reads. */
const TAIL_BYTES = 256 * 1024

export async function logs({ words, options, layout, say, print, complain }: CommandContext): Promise<Exit> {
  const names = logNames(layout.logsDir)
  const wished = (words[0] ?? '').replace('/', '-')
  const chosen = names.filter((name) => name === wished || wished === '' || name.startsWith(`${wished}-`))
  if (chosen.length === 0) {
    complain(say('noLogs', { name: words[0] ?? '*', names: names.join(', ') }))
    return Exit.failed
  }
  const marked = (name: string, line: string) => (chosen.length > 1 ? `${name}: ${line}` : line)
  const read = new Map<string, number>()
  for (const name of chosen) {
    const { text, end } = readFrom(join(layout.logsDir, `${name}.log`), -TAIL_BYTES)
    read.set(name, end)
    for (const line of linesOf(text).slice(-options.lines)) print(marked(name, line))
  }
  while (options.follow) {
    await sleep(nodeClock, FOLLOW_MS)
    for (const name of chosen) {
      const { text, end } = readFrom(join(layout.logsDir, `${name}.log`), read.get(name) ?? 0)
      read.set(name, end)
      for (const line of linesOf(text)) print(marked(name, line))
    }
  }
  return Exit.done
}

function logNames(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.log'))
      .map((name) => name.slice(0, -4))
      .sort()
  } catch {
    return [] // never started
  }
}

/** Whole lines from `position` on (negative: so many bytes before the end); a file that shrank is read from its start. */
function readFrom(path: string, position: number): { text: string; end: number } {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  const start = position < 0 ? Math.max(0, size + position) : position > size ? 0 : position
  const bytes = Buffer.alloc(Math.min(size - start, TAIL_BYTES))
  if (bytes.length === 0) return { text: '', end: start }
  const fd = openSync(path, 'r')
  const count = readSync(fd, bytes, 0, bytes.length, start)
  closeSync(fd)
  const whole = bytes.subarray(0, count).lastIndexOf(0x0a) + 1
  return { text: bytes.subarray(0, whole).toString('utf8'), end: start + whole }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}
