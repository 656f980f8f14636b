/** The login engine in a transcript: what it asks of its host is shown, the host's answers come from the transcript. */
import type { LoginStep } from '../login/actions.ts'
import { LoginEngine } from '../login/engine.ts'

export class LoginPeer {
  readonly #engine: LoginEngine
  #output: string
  #events: string[] = []

  /** @param mode `tls` from the start, `clear` with STARTTLS, `no-tls` without. */
  constructor(mode: string) {
    this.#engine = new LoginEngine({
      tls: mode === 'tls',
      startTls: mode === 'clear',
      hostName: 'mx.example.test',
      serverId: ['name', 'Twinpost'],
    })
    this.#output = ''
    this.#obey(this.#engine.greet())
  }

  async send(bytes: Buffer): Promise<void> {
    this.#obey(this.#engine.receive(bytes))
  }

  take(): { output: string; events: string[] } {
    const taken = { output: this.#output, events: this.#events }
    this.#output = ''
    this.#events = []
    return taken
  }

  /** One `H:` line. */
  answer(line: string): void {
    this.#obey(this.#stepOf(line))
    if (line === 'authenticated') this.#events.push(`rest: ${JSON.stringify(this.#engine.rest().toString('latin1'))}`)
  }

  #stepOf(line: string): LoginStep {
    switch (line) {
      case 'tls-started':
        return this.#engine.tlsStarted()
      case 'authenticated':
        return this.#engine.authenticated('IMAP4rev1 IDLE')
      case 'denied':
        return this.#engine.denied(false)
      case 'denied last':
        return this.#engine.denied(true)
      case 'unavailable':
        return this.#engine.unavailable('Directory does not answer\r\n* PREAUTH')
      case 'suspended':
        return this.#engine.refused('CONTACTADMIN', 'Account is suspended')
      case 'bye':
        return this.#engine.bye('Server is shutting down')
      default:
        throw new Error(`Cannot answer ${line}`)
    }
  }

  #obey(step: LoginStep): void {
    this.#output += step.bytes.toString('latin1')
    if (step.action === null) return
    const { kind, ...rest } = step.action
    this.#events.push(Object.keys(rest).length === 0 ? kind : `${kind} ${JSON.stringify(rest)}`)
  }
}
