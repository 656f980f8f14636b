/** Where a password comes from when none is on the command line: a prompt without echo, or the first line of standard input. */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/** @returns empty if nothing was typed or piped. */
export function readPassword(prompt: string): Promise<string> {
  const { stdin } = process
  const terminal = stdin.isTTY === true
  if (terminal) process.stderr.write(prompt)
  const muted = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: stdin, output: muted, terminal })
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      if (terminal) process.stderr.write('\n')
      resolve(line)
      lines.close()
    })
    lines.once('close', () => resolve(''))
  })
}
