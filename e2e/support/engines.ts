/**
 * Engines of others that a filter pool asks: clamd, rspamd and spamd as Debian has them, each started for one spec with a configuration
 * of its own and no look at the network; and a spamd of few words, where a spec wants to choose the score.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { PoolEngine } from './deploy.ts'

/** https://www.eicar.org. In two parts, so that scanners leave this file alone. */
export const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('')
/** https://spamassassin.apache.org/gtube: what every spam filter calls spam. */
export const GTUBE = ['XJS*C4JDBQADN1.NSBN3*2IDNEN*', 'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'].join('')

/** Reading its rules takes spamd seconds on a machine that does nothing else. */
const START_MS = 120_000

export interface RunningEngine {
  readonly engine: PoolEngine
  stop(): Promise<void>
}

/** Packages of Debian, by the program that they bring. */
export const PACKAGES = { clamd: 'clamav-daemon', rspamd: 'rspamd', spamd: 'spamd' } as const
export type EngineProgram = keyof typeof PACKAGES

export const isInstalled = (program: string): boolean => spawnSync('which', [program]).status === 0

export async function startEngine(program: EngineProgram): Promise<RunningEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'tp-engine-'))
  chmodSync(folder, 0o755) // rspamd and spamd give up root's rights
  const port = await freePort()
  const { args, engine } = { clamd, rspamd, spamd }[program](folder, port)
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const stop = async () => {
    await end(child)
    rmSync(folder, { recursive: true, force: true })
  }
  const onExit = () => child.kill('SIGKILL')
  process.once('exit', onExit)
  for (const until = performance.now() + START_MS; !(await answers(port)); await pause(200)) {
    if (child.exitCode === null && performance.now() < until) continue
    await stop()
    throw new Error(`${program} does not take connections: ${said.slice(-2_000)}`)
  }
  return {
    engine,
    async stop() {
      process.off('exit', onExit)
      await stop()
    },
  }
}

interface Plan {
  readonly args: readonly string[]
  readonly engine: PoolEngine
}

/** With one signature, so that no data has to be fetched: the letters of EICAR, wherever they stand in a file. */
function clamd(folder: string, port: number): Plan {
  mkdirSync(join(folder, 'db'))
  writeFileSync(join(folder, 'db', 'own.ndb'), `Eicar-Of-The-Spec:0:*:${Buffer.from(EICAR).toString('hex')}\n`)
  const settings = [
    `DatabaseDirectory ${join(folder, 'db')}`,
    `TemporaryDirectory ${folder}`,
    'TCPAddr 127.0.0.1',
    `TCPSocket ${port}`,
    'Foreground yes',
  ]
  writeFileSync(join(folder, 'clamd.conf'), `${settings.join('\n')}\n`)
  return {
    args: ['--config-file', join(folder, 'clamd.conf')],
    engine: { name: 'clamav', kind: 'clamd', address: `127.0.0.1:${port}` },
  }
}

/** With its core alone (GTUBE is of it), and few names of top-level domains: it compiles all of them for minutes. */
function rspamd(folder: string, port: number): Plan {
  writeFileSync(join(folder, 'tld.dat'), 'com\nnet\norg\nexample\ntest\n')
  writeFileSync(
    join(folder, 'rspamd.conf'),
    `options {
  pidfile = "${folder}/rspamd.pid"; tempdir = "${folder}"; url_tld = "${folder}/tld.dat"; filters = ""; disable_hyperscan = true;
  dns { nameserver = ["127.0.0.1"]; timeout = 1s; }
}
logging { type = "console"; level = "warning"; }
actions { reject = 15; "add header" = 6; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
`,
  )
  const root = process.getuid?.() === 0
  return {
    args: ['--no-fork', ...(root ? ['--insecure'] : []), '--config', join(folder, 'rspamd.conf')],
    engine: { name: 'rspamd', kind: 'rspamd', url: `http://127.0.0.1:${port}` },
  }
}

function spamd(folder: string, port: number): Plan {
  const root = process.getuid?.() === 0
  return {
    args: [
      '--local',
      '--nouser-config',
      '--max-children=2',
      '--listen=127.0.0.1',
      `--port=${port}`,
      `--pidfile=${join(folder, 'spamd.pid')}`,
      '--syslog=stderr',
      ...(root ? ['--username=nobody'] : []),
    ],
    engine: { name: 'spamassassin', kind: 'spamd', address: `127.0.0.1:${port}` },
  }
}

/** A spamd that gives a letter the score that `score` says, against a threshold of 5. */
export async function scriptedSpamd(name: string, score: (letter: string) => number): Promise<RunningEngine> {
  const server = createServer((socket) => {
    const chunks: Buffer[] = []
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      const said = Buffer.concat(chunks).toString('latin1')
      const head = said.indexOf('\r\n\r\n')
      const length = Number(/^Content-length: (\d+)/im.exec(said)?.[1])
      if (head < 0 || said.length < head + 4 + length) return
      const points = score(said.slice(head + 4))
      socket.end(`SPAMD/1.1 0 EX_OK\r\nSpam: ${points >= 5 ? 'True' : 'False'} ; ${points} / 5.0\r\n\r\nSCRIPTED\r\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    engine: { name, kind: 'spamd', address: `127.0.0.1:${port}` },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** A letter with one attachment. */
export function letterWith(subject: string, filename: string, content: Buffer): Buffer {
  return Buffer.from(
    [
      `From: <s@example.net>\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n`,
      '--b\r\nContent-Type: text/plain\r\n\r\nsee the attachment\r\n--b\r\n',
      `Content-Type: application/octet-stream; name="${filename}"\r\nContent-Transfer-Encoding: base64\r\n\r\n`,
      content.toString('base64').replace(/.{76}/g, '$&\r\n'),
      '\r\n--b--\r\n',
    ].join(''),
  )
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  // A daemon that was told to stop ends its children by itself; one that was killed does not.
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(timer)
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
