/** Postfix and Dovecot as a target, when they are installed (bench/peers/install); ports as in bench/peers/settings.sh. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MAILBOX_COUNT } from './settings.ts'
import type { Target } from './target.ts'

const run = promisify(execFile)
const root = new URL('..', import.meta.url).pathname
const scripts = join(root, 'bench/peers')
const data = process.env['PEERS_DIR'] ?? join(root, '.twinpost/peers')

/** Both programs are there; whether they can be started is seen when they are. */
export function peersInstalled(): boolean {
  return ['/usr/sbin/postfix', '/usr/sbin/dovecot'].every((path) => existsSync(path))
}

export async function startPeers(): Promise<Target> {
  const { stdout } = await run(join(scripts, 'start'))
  process.stdout.write(stdout)
  return {
    name: 'peers',
    smtp: { host: '127.0.0.1', port: 3025 },
    imaps: { host: '127.0.0.1', port: 3993 },
    ca: await readFile(join(data, 'tls/cert.pem')),
    accounts: Array.from({ length: MAILBOX_COUNT }, (_, index) => ({
      address: `bench${String(index + 1).padStart(2, '0')}@peers.test`,
      password: 'bench-secret',
    })),
    processes: dovecotProcesses,
  }
}

export async function stopPeers(): Promise<void> {
  await run(join(scripts, 'stop'))
}

/** Versions for the report. */
export async function peerVersions(): Promise<string> {
  const postfix = await run('/usr/sbin/postconf', ['-c', join(data, 'postfix/etc'), '-h', 'mail_version'])
  const dovecot = await run('/usr/sbin/dovecot', ['--version'])
  return `Postfix ${postfix.stdout.trim()}, Dovecot ${dovecot.stdout.split(' ')[0]}`
}

/** Dovecot's master and all it has started. */
async function dovecotProcesses(): Promise<Map<string, number[]>> {
  const master = Number(await readFile(join(data, 'dovecot/run/master.pid'), 'utf8'))
  const pids = [master]
  for (const name of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    if (parentOf(stat) === master) pids.push(Number(name))
  }
  return new Map([['dovecot', pids]])
}

/** Parent in /proc/PID/stat: second field after the command, which stands in brackets and may hold anything. */
export function parentOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? Number.NaN)
}
