/**
 * What every service's `main.ts` does first and last: read its configuration, stop cleanly on SIGTERM, and die loudly on a
 * bug. An exception that nobody caught means that invariants may be broken: the process says so and exits with 70
 * (EX_SOFTWARE), and whoever supervises it starts a new one from the log.
 */
import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import type { z } from 'zod'
import { loadConfig } from '#lib/config/config.ts'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Logger } from '#lib/log/logger.ts'

enableCompileCache()

/** Configuration of this process, or exit: 0 after --help, 64 (EX_USAGE) after a mistake. */
export function configure<Schema extends z.ZodObject>(name: string, schema: Schema): z.infer<Schema> {
  try {
    const result = loadConfig(name, schema, {
      argv: process.argv.slice(2),
      env: process.env,
      readFile: (path) => readFileSync(path, 'utf8'),
    })
    if (result.kind === 'config') return result.config
    process.stdout.write(result.text)
    return process.exit(0)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return process.exit(64)
  }
}

/** Runs `stop` once on SIGTERM or SIGINT, then exits: 0, or 1 if stopping failed or took longer than `boundMs`. */
export function stopOnSignal(logger: Logger, boundMs: number, stop: (signal: string) => Promise<void>): void {
  let stopping = false
  const begin = (signal: string) => {
    if (stopping) return
    stopping = true
    const bound = setTimeout(() => {
      logger.error({ signal, boundMs }, 'stopping took too long')
      process.exit(1)
    }, boundMs)
    stop(signal).then(
      () => {
        clearTimeout(bound)
        process.exit(0)
      },
      (err) => {
        logger.error({ err }, 'stopping failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', begin)
  process.on('SIGINT', begin)
}

/** Makes an uncaught exception or rejection end the process after one log line. */
export function exitOnBug(logger: Logger): void {
  const end = (err: unknown) => {
    logger.fatal({ err }, 'unexpected exception')
    process.exit(70)
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
}
