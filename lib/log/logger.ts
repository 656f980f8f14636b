/**
 * Structured logs: one JSON line per event that an administrator would ask about. Every line about a letter carries `trace`,
 * every line about a client connection `session`, so that one id follows both through edge and shard. Secrets never reach a
 * line: passwords and keys are not passed to the logger, and the paths below are a net under that rule.
 */
import { type Logger as PinoLogger, pino } from 'pino'

export type Logger = PinoLogger

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Lines wait for so many bytes or so long: a write for each line would cost more than all else about a letter. */
const BUFFER_BYTES = 4096
const FLUSH_INTERVAL_MS = 250

/**
 * A logger that writes to standard output. A process that is killed loses the lines of the last quarter second; one that
 * exits, or logs `fatal`, loses none.
 * @param fields Fixed fields: service, pod, shard.
 */
export function createLogger(level: LogLevel, fields: Readonly<Record<string, string>>): Logger {
  const destination = pino.destination({ sync: false, minLength: BUFFER_BYTES, periodicFlush: FLUSH_INTERVAL_MS })
  return pino(
    {
      level,
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: ['password', '*.password', 'secret', '*.secret', 'authorization', '*.authorization'],
        censor: '[redacted]',
      },
      serializers: { err: pino.stdSerializers.err },
    },
    destination,
  )
}

/** For tests and tools that want no lines. */
export const silentLogger: Logger = pino({ level: 'silent' })
