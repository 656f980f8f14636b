/** Runs a script of a service for a command, with the terminal as it is. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

/** @param script Below the folder of the checkout. @returns Its exit code */
export function runScript(sourceDir: string, script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(sourceDir, script), ...args], {
    stdio: 'inherit',
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
