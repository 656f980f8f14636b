/** `twinpost up`: starts the operator, waits until the array is ready, proves it with a letter and the show, says how to reach it. */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { sleep } from '#lib/ports/clock.ts'
import { Endpoints, type LocalFilterPool, type OperatorStatus } from '#operator/api/local-layout.ts'
import { type CommandContext, Exit } from '../context.ts'
import { operatorStatus } from '../control-client.ts'
import type { LetterFacts } from '../first-letter.ts'
import type { Say } from '../messages/mod.ts'
import { table } from '../table.ts'
import { down } from './down.ts'

const POLL_MS = 50
const LOG_LINES = 15

export async function up(context: CommandContext): Promise<Exit> {
  const { layout, options, say, print, complain } = context
  const running = await operatorStatus(layout.controlSocket)
  if (running?.phase === 'ready') {
    print(say('alreadyRunning'))
    printEndpoints(context, readEndpoints(context))
    return Exit.done
  }
  const startedMs = nodeClock.monotonicMs()
  const seconds = () => ((nodeClock.monotonicMs() - startedMs) / 1_000).toFixed(1)
  print(say('starting'))
  const operator = running ? null : startOperator(context)
  const outcome = await waitUntilReady(context, operator, startedMs + options.timeoutS * 1_000)
  if (outcome !== null) {
    complain(say('startFailed'))
    for (const line of outcome) complain(line)
    await down({ ...context, print: () => {} })
    return Exit.failed
  }
  print(say('ready', { seconds: seconds() }))
  const endpoints = readEndpoints(context)
  const passed = await proveIt(context, endpoints)
  if (passed !== Exit.done) return passed
  printEndpoints(context, endpoints)
  return Exit.done
}

/** A letter goes through the array; then the show, which ends with it read from the other member. */
async function proveIt(context: CommandContext, endpoints: Endpoints): Promise<Exit> {
  const { layout, options, say, print, complain } = context
  const { sendFirstLetter, LetterError } = await import('../first-letter.ts')
  let letter: LetterFacts
  try {
    letter = await sendFirstLetter(endpoints, readFileSync(endpoints.ca, 'utf8'), 'Twinpost 双子邮局')
    print(say('letterSent', { address: letter.address, reply: letter.smtpReply }))
    print(say('letterImap', { uid: letter.imap.uid, bytes: letter.imap.bytes }))
    print(say('letterPop3', letter.pop3))
  } catch (error) {
    const step = error instanceof LetterError ? error.step : '?'
    complain(say('letterFailed', { step, problem: errorMessage(error) }))
    return Exit.failed
  }
  const { sendOutside } = await import('../outside-letter.ts')
  try {
    const out = await sendOutside(endpoints, readFileSync(endpoints.ca, 'utf8'), 'Twinpost 双子邮局')
    print(say('letterOutside', { ...out }))
  } catch (error) {
    complain(say('letterFailed', { step: 'queue', problem: errorMessage(error) }))
    return Exit.failed
  }
  const status = await operatorStatus(layout.controlSocket)
  for (const pool of status?.filterPools ?? []) printPool(pool, say, print)
  const rule = status?.viruses ?? 'unknown'
  if (rule === 'reject' || rule === 'quarantine') {
    try {
      print(await showVirus(context, endpoints, rule))
    } catch (error) {
      complain(say('letterFailed', { step: 'filter', problem: errorMessage(error) }))
      return Exit.failed
    }
  }
  if (!options.show) return Exit.done
  const { showFailover } = await import('../failover-show.ts')
  try {
    await showFailover({ layout, shard: letter.home, readLetter: letter.readAgain, say, print })
    return Exit.done
  } catch (error) {
    complain(say('showFailed', { problem: errorMessage(error) }))
    return Exit.failed
  }
}

/** @returns What became of a letter with a virus, in words. @throws if it was not what the rules of the array say */
async function showVirus(
  context: CommandContext,
  endpoints: Endpoints,
  rule: 'reject' | 'quarantine',
): Promise<string> {
  const { sendVirus, VIRUS_SENDER } = await import('../virus-letter.ts')
  const facts = await sendVirus(endpoints, readFileSync(endpoints.ca, 'utf8'), rule)
  if (rule === 'reject') return context.say('letterVirus', { ...facts })
  const { newestQuarantined } = await import('./quarantine.ts')
  const held = await newestQuarantined(context, { to: facts.to, from: VIRUS_SENDER })
  if (held === null) throw new Error(`a letter with a virus was taken and is not in quarantine: ${facts.reply}`)
  const letter = `${held.shard}:${held.letter}`
  return context.say('letterQuarantined', { to: facts.to, letter, reason: held.reasons[0] ?? '' })
}

function printPool({ name, engines, away }: LocalFilterPool, say: Say, print: (line: string) => void): void {
  print(say('poolEngines', { name, engines: engines.join(', ') }))
  if (away.length === 0) return
  print(say('poolAway', { engines: away.map(({ engine, where }) => `${engine} (${where})`).join(', ') }))
}

interface StartedOperator {
  readonly logStart: number
  ended: boolean
}

function startOperator({ layout, options, sourceDir }: CommandContext): StartedOperator {
  mkdirSync(dirname(layout.operatorLog), { recursive: true, mode: 0o700 })
  const settings = {
    stateDir: layout.stateDir,
    sourceDir,
    deployDir: resolve(options.deploy ?? join(sourceDir, 'deploy/local')),
    tmpDir: tmpdir(),
    natsServer: join(sourceDir, '.tools/nats-server/bin/nats-server'),
  }
  const logStart = statSync(layout.operatorLog, { throwIfNoEntry: false })?.size ?? 0
  const log = openSync(layout.operatorLog, 'a', 0o600)
  const child = spawn(
    process.execPath,
    [
      join(sourceDir, 'operator/main.ts'),
      ...Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ],
    {
      cwd: sourceDir,
      detached: true,
      stdio: ['ignore', log, log],
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? layout.cacheDir,
      },
    },
  )
  closeSync(log)
  child.unref()
  const started: StartedOperator = { logStart, ended: false }
  child.once('exit', () => {
    started.ended = true
  })
  child.once('error', () => {
    started.ended = true
  })
  return started
}

/** @returns null when ready, else lines that say why not. */
async function waitUntilReady(
  { layout, options, say }: CommandContext,
  operator: StartedOperator | null,
  deadlineMs: number,
): Promise<string[] | null> {
  let last: OperatorStatus | null = null
  while (nodeClock.monotonicMs() < deadlineMs) {
    await sleep(nodeClock, POLL_MS)
    last = (await operatorStatus(layout.controlSocket)) ?? last
    if (last?.phase === 'ready') return null
    if (last?.phase === 'failed') return last.problems
    if (operator?.ended) {
      const log = readFileSync(layout.operatorLog).subarray(operator.logStart).toString('utf8')
      return [say('operatorEnded', { file: layout.operatorLog }), ...log.trimEnd().split('\n').slice(-LOG_LINES)]
    }
  }
  return [say('startTimeout', { seconds: options.timeoutS }), ...(last?.waitingFor ?? []).map((what) => `  ${what}`)]
}

function readEndpoints({ layout }: CommandContext): Endpoints {
  return Endpoints.parse(JSON.parse(readFileSync(layout.endpointsFile, 'utf8')))
}

function printEndpoints({ say, print }: CommandContext, endpoints: Endpoints): void {
  const { ca, accounts, ...services } = endpoints
  print('')
  print(
    table([
      [say('headService'), say('headAddress')],
      ...Object.entries(services).map(([name, { host, port }]) => [name, `${host}:${port}`]),
    ]),
  )
  print('')
  print(
    table([
      [say('headAddress'), say('headPassword'), say('headHome')],
      ...accounts.map(({ address, password, home }) => [address, password, home]),
    ]),
  )
  print('')
  if (existsSync(ca)) print(say('certificateNote', { ca }))
  print(say('nextSteps'))
}
