/** Runs a script of a service for a command, with the terminal as it is. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

/** What a script may know of the terminal it was called from: keys of a bucket come by their usual names. */
const PASSED_ON = /^(PATH|HOME|AWS_[A-Z_]+)$/

export function scriptEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ON.test(name)))
}

/** @param script Below the folder of the checkout. @returns Its exit code */
export function runScript(sourceDir: string, script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(sourceDir, script), ...args], {
    stdio: 'inherit',
    env: scriptEnvironment(),
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
