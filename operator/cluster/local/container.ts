/**
 * One container of a local pod: starts its process, watches it, starts it again when it ends, stops it when told.
 * Its output goes straight into a file, not through a pipe: a dying operator takes nobody with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { request } from 'node:http'
import { dirname } from 'node:path'
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { SeenContainer } from '../cluster.ts'
import type { Container, Probe } from '../objects.ts'
import type { ContainerPlan } from './container-plan.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { signalProcess } from './process-identity.ts'
import type { ProcessTable } from './process-table.ts'
import { afterExit, FRESH, type RestartState } from './restart-policy.ts'

/** Until ready a process is asked often, since somebody waits; then as often as its probe says, at most this seldom. */
const PROBE_UNTIL_READY_MS = 100
const PROBE_WHEN_READY_MS_MAX = 2_000
const PROBE_TIMEOUT_MS = 2_000
/** A log beyond this is moved to `.1`, at a start or when looked at. */
const LOG_BYTES_MAX = 32 * 1024 * 1024
const LOG_LOOK_MS = 30_000

export interface ContainerSetup {
  /** `<pod>/<container>`, for records. */
  readonly name: string
  readonly container: Container
  readonly podIp: string
  /** Asked at each start, so that a restarted container sees new files. */
  readonly plan: () => ContainerPlan
  readonly baseEnv: Readonly<Record<string, string>>
  readonly cwd: string
  readonly logFile: string
  readonly clock: Clock
  readonly processes: ProcessTable
  readonly changed: () => void
}

export class LocalContainer {
  readonly #setup: ContainerSetup
  #restart: RestartState = FRESH
  #restarts = 0
  #process: { child: ChildProcess; identity: ProcessIdentity | null; startedAtMs: number; sinceMs: number } | null =
    null
  #ready = false
  #reason: string | null = null
  #stopping = false
  #cancelTimer: () => void = () => {}
  #cancelProbe: () => void = () => {}
  #cancelLogLook: () => void = () => {}
  #onExit: (() => void) | null = null

  constructor(setup: ContainerSetup) {
    this.#setup = setup
    this.#lookAtLog()
  }

  seen(): SeenContainer {
    const running = this.#process
    return {
      name: this.#setup.container.name,
      state: this.#stopping && !running ? 'stopped' : running ? (this.#ready ? 'running' : 'starting') : 'waiting',
      ready: this.#ready,
      restarts: this.#restarts,
      pid: running?.child.pid ?? null,
      startedAtMs: running?.startedAtMs ?? null,
      reason: this.#reason,
    }
  }

  start(): void {
    if (this.#process || this.#stopping) return
    const { setup, fd } = { setup: this.#setup, fd: this.#openLog() }
    try {
      const plan = setup.plan()
      const child = spawn(plan.program, [...plan.args], {
        cwd: setup.cwd,
        env: { ...setup.baseEnv, ...plan.env },
        stdio: ['ignore', fd, fd],
        detached: true, // a Ctrl-C at the terminal ends the command line, not the array
      })
      child.once('error', (error) => this.#failed(`cannot start: ${errorMessage(error)}`))
      if (child.pid === undefined) return // 'error' follows
      const now = setup.clock
      this.#process = {
        child,
        identity: setup.processes.add(setup.name, child.pid),
        startedAtMs: now.nowMs(),
        sinceMs: now.monotonicMs(),
      }
      writeSync(fd, logLine(now, `container started: pid ${child.pid}`))
      child.once('exit', (code, signal) => this.#ended(code, signal))
      this.#reason = 'starting'
      if (setup.container.readinessProbe) this.#scheduleProbe(setup.container.readinessProbe)
      else this.#setReady(true, null)
    } catch (error) {
      this.#failed(errorMessage(error))
    } finally {
      closeSync(fd)
    }
    setup.changed()
  }

  /** Ends the process and does not start it again. SIGTERM first, SIGKILL after `graceMs`. Resolves when it has ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#cancelTimer()
    this.#cancelLogLook()
    const running = this.#process
    if (!running) return
    await new Promise<void>((resolve) => {
      this.#onExit = resolve
      this.#signal('SIGTERM')
      this.#cancelTimer = this.#setup.clock.after(graceMs, () => this.#signal('SIGKILL'))
    })
    this.#cancelTimer()
  }

  #signal(signal: NodeJS.Signals): void {
    const identity = this.#process?.identity
    if (identity) signalProcess(identity, signal)
    else this.#process?.child.kill(signal)
  }

  #failed(reason: string): void {
    const fd = this.#openLog()
    writeSync(fd, logLine(this.#setup.clock, reason))
    closeSync(fd)
    this.#after(reason, 0)
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    const running = this.#process
    if (!running) return
    this.#process = null
    this.#setup.processes.remove(this.#setup.name)
    const how = signal ? `ended by ${signal}` : `ended with exit code ${code}`
    const fd = this.#openLog()
    writeSync(fd, logLine(this.#setup.clock, `container ${how}`))
    closeSync(fd)
    this.#after(how, this.#setup.clock.monotonicMs() - running.sinceMs)
  }

  #after(reason: string, livedMs: number): void {
    this.#cancelProbe()
    this.#ready = false
    this.#reason = reason
    if (!this.#stopping) {
      const { delayMs, next } = afterExit(this.#restart, livedMs)
      this.#restart = next
      this.#cancelTimer = this.#setup.clock.after(delayMs, () => {
        this.#restarts++
        this.start()
      })
    }
    this.#setup.changed()
    this.#onExit?.()
  }

  #setReady(ready: boolean, reason: string | null): void {
    const changed = ready !== this.#ready || reason !== this.#reason
    this.#ready = ready
    this.#reason = reason
    if (changed) this.#setup.changed()
  }

  #scheduleProbe(probe: Probe): void {
    const everyMs = Math.min((probe.periodSeconds ?? 10) * 1_000, PROBE_WHEN_READY_MS_MAX)
    this.#cancelProbe = this.#setup.clock.after(this.#ready ? everyMs : PROBE_UNTIL_READY_MS, () => {
      const asked = this.#process
      probeOnce(this.#setup.podIp, portOf(this.#setup.container, probe), probe.httpGet.path, (reason) => {
        if (this.#process !== asked || !asked) return // another life has its own probe
        this.#setReady(reason === null, reason)
        this.#scheduleProbe(probe)
      })
    })
  }

  #openLog(): number {
    const { logFile } = this.#setup
    mkdirSync(dirname(logFile), { recursive: true })
    const fd = openSync(logFile, 'a', 0o600)
    if (this.#process || fstatSync(fd).size < LOG_BYTES_MAX) return fd
    closeSync(fd)
    renameSync(logFile, `${logFile}.1`)
    return openSync(logFile, 'a', 0o600)
  }

  /** The process writes on with its own descriptor, in append mode: so the file is copied and then emptied. */
  #lookAtLog(): void {
    this.#cancelLogLook = this.#setup.clock.after(LOG_LOOK_MS, () => {
      const { logFile } = this.#setup
      if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) >= LOG_BYTES_MAX) {
        copyFileSync(logFile, `${logFile}.1`)
        truncateSync(logFile)
      }
      this.#lookAtLog()
    })
  }
}

function logLine(clock: Clock, message: string): string {
  return `${JSON.stringify({ level: 'info', time: new Date(clock.nowMs()).toISOString(), service: 'operator', msg: message })}\n`
}

function portOf(container: Container, probe: Probe): number {
  const { port } = probe.httpGet
  if (typeof port === 'number') return port
  return container.ports?.find((candidate) => candidate.name === port)?.containerPort ?? 0
}

/** @param done Called once: null, or why the process is not ready. */
function probeOnce(host: string, port: number, path: string, done: (reason: string | null) => void): void {
  let finished = false
  const finish = (reason: string | null) => {
    if (finished) return
    finished = true
    done(reason)
  }
  const asking = request({ host, port, path, agent: false, timeout: PROBE_TIMEOUT_MS }, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      if (text.length < 1_000) text += chunk
    })
    response.on('error', (error) => finish(error.message))
    response.on('end', () => finish(response.statusCode === 200 ? null : text.trim() || `HTTP ${response.statusCode}`))
  })
  asking.on('timeout', () => asking.destroy(new Error('the probe timed out')))
  asking.on('error', (error) => finish('code' in error && error.code === 'ECONNREFUSED' ? 'starting' : error.message))
  asking.end()
}
