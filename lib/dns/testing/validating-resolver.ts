/**
 * A signed zone on this machine and a resolver that validates it: unbound and ldns of Debian (`apt-get install --no-install-recommends unbound
 * ldnsutils`). The zone is `example.`, its key the only trust anchor.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NameServer } from '../udp-resolver.ts'

/** Why there can be none here, or false. */
export function whyNoValidatingResolver(): string | false {
  const missing = ['unbound', 'ldns-keygen', 'ldns-signzone'].filter(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  )
  return missing.length === 0
    ? false
    : `no ${missing.join(', ')} here: apt-get install --no-install-recommends unbound ldnsutils`
}

export interface ZoneOptions {
  /** Changes the zone after it was signed, as an attacker would. */
  readonly tamper?: (signed: string) => string
  /** Serves TLS as well. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export class ValidatingResolver {
  readonly server: NameServer
  readonly tlsPort: number
  readonly #folder: string
  readonly #process: ChildProcess

  private constructor(server: NameServer, tlsPort: number, folder: string, process: ChildProcess) {
    this.server = server
    this.tlsPort = tlsPort
    this.#folder = folder
    this.#process = process
  }

  /** @param records Lines of the zone; names are below `example.` */
  static async start(records: string, { tamper = (text) => text, tls }: ZoneOptions = {}): Promise<ValidatingResolver> {
    const folder = mkdtempSync(join(tmpdir(), 'tp-zone-'))
    const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: folder, encoding: 'utf8' })
    const head =
      '$ORIGIN example.\n$TTL 60\n@ IN SOA ns.example. h.example. 1 3600 600 86400 60\n@ IN NS ns.example.\nns IN A 127.0.0.1\n'
    writeFileSync(join(folder, 'zone'), head + records)
    const key = run('ldns-keygen', '-r', '/dev/urandom', '-a', 'ECDSAP256SHA256', '-k', 'example.').trim()
    run('ldns-signzone', '-n', 'zone', key)
    const signed = join(folder, 'zone.signed')
    writeFileSync(signed, tamper(readFileSync(signed, 'utf8')))
    const [port, tlsPort] = [await freePort(), await freePort()]
    if (tls !== undefined) for (const [name, text] of Object.entries(tls)) writeFileSync(join(folder, name), text)
    const anchor = readdirSync(folder).find((name) => name.endsWith('.ds')) ?? ''
    const settings = [
      'server:',
      `  interface: 127.0.0.1@${port}`,
      ...(tls === undefined
        ? []
        : [
            `  interface: 127.0.0.1@${tlsPort}`,
            `  tls-port: ${tlsPort}`,
            `  tls-service-pem: "${folder}/cert"`,
            `  tls-service-key: "${folder}/key"`,
          ]),
      '  access-control: 127.0.0.0/8 allow',
      '  do-daemonize: no',
      '  use-syslog: no',
      '  username: ""',
      '  chroot: ""',
      '  pidfile: ""',
      `  directory: "${folder}"`,
      '  num-threads: 1',
      '  module-config: "validator iterator"',
      `  trust-anchor-file: "${folder}/${anchor}"`,
      'auth-zone:',
      '  name: "example."',
      `  zonefile: "${signed}"`,
      '  for-downstream: no',
      '  for-upstream: yes',
      '  fallback-enabled: no',
      'remote-control:',
      '  control-enable: no',
      '',
    ]
    const config = join(folder, 'unbound.conf')
    writeFileSync(config, settings.join('\n'))
    const child = spawn('unbound', ['-d', '-c', config], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes('start of service')) resolve()
      })
      child.once('exit', () => reject(new Error(`unbound did not start: ${said}`)))
      child.once('error', reject)
    })
    return new ValidatingResolver({ address: '127.0.0.1', port }, tlsPort, folder, child)
  }

  async stop(): Promise<void> {
    const over = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill()
    await over
    rmSync(this.#folder, { recursive: true })
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof bound === 'object' && bound !== null ? bound.port : 0
}
