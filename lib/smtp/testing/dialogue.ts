/** Plays a receiver: bytes in, cut as told; what it says and asks comes out as lines that a person can read. */
import type { Action, ReceiverOptions } from '../receiving/actions.ts'
import { SmtpReceiver } from '../receiving/receiver.ts'
import type { Reply } from '../reply.ts'

export const RECEIVER_OPTIONS: ReceiverOptions = {
  hostname: 'mx.example.test',
  banner: 'Twinpost',
  protocol: 'smtp',
  tls: false,
  startTls: false,
  loginRequired: false,
  sizeMax: 1000,
  recipientsMax: 3,
  smtpUtf8: false,
  dsn: false,
}

/** `sender <ben@example.net> size 10`: one action as text. Pieces of a body are told together, as they are cut by chance. */
export function actionText(action: Action): string {
  switch (action.kind) {
    case 'sender': {
      const { reversePath, sizeBytes, body, smtpUtf8, dsn } = action.mail
      const facts = [`<${reversePath}>`, `size ${sizeBytes}`, body]
      if (smtpUtf8) facts.push('SMTPUTF8')
      if (dsn.ret !== null) facts.push(`RET ${dsn.ret}`)
      if (dsn.envid !== null) facts.push(`ENVID ${dsn.envid}`)
      return `sender ${facts.join(' ')}`
    }
    case 'recipient': {
      const { forwardPath, dsn } = action.recipient
      const facts = [`<${forwardPath}>`]
      if (dsn.notify !== null) facts.push(`NOTIFY ${dsn.notify.join(',') || 'NEVER'}`)
      if (dsn.orcpt !== null) facts.push(`ORCPT ${dsn.orcpt}`)
      return `recipient ${facts.join(' ')}`
    }
    case 'login': {
      const { mechanism, authzid, login, password } = action.credentials
      return `login ${mechanism} ${JSON.stringify([authzid, login, password])}`
    }
    case 'body':
      return `body ${JSON.stringify(action.piece.toString('latin1'))}`
    case 'close':
      return `close ${action.reason}`
    default:
      return action.kind
  }
}

export class Dialogue {
  readonly receiver: SmtpReceiver
  readonly #lines: string[] = []
  #body: Buffer[] = []

  constructor(options: Partial<ReceiverOptions> = {}) {
    this.receiver = new SmtpReceiver({ ...RECEIVER_OPTIONS, ...options })
  }

  /** Everything since the last call: `S: ` what is written, `A: ` what is asked or told. */
  take(): string[] {
    this.#run()
    this.#flushBody()
    return this.#lines.splice(0)
  }

  greet(): void {
    this.receiver.greet()
    this.#run()
  }

  push(bytes: Buffer): void {
    this.receiver.push(bytes)
    this.#run()
  }

  settle(reply: Reply | null): void {
    this.receiver.settle(reply)
    this.#run()
  }

  settleLetter(replies: readonly Reply[]): void {
    this.receiver.settleLetter(replies)
    this.#run()
  }

  #run(): void {
    for (let action = this.receiver.next(); ; action = this.receiver.next()) {
      this.#said()
      if (action === null) return
      if (action.kind === 'body') {
        this.#body.push(Buffer.from(action.piece))
        continue
      }
      this.#flushBody()
      this.#lines.push(`A: ${actionText(action)}`)
    }
  }

  #flushBody(): void {
    if (this.#body.length === 0) return
    this.#lines.push(`A: ${actionText({ kind: 'body', piece: Buffer.concat(this.#body) })}`)
    this.#body = []
  }

  #said(): void {
    const text = this.receiver.takeOutput()
    if (text === '') return
    this.#flushBody()
    if (!text.endsWith('\r\n')) throw new Error(`An answer does not end with CRLF: ${JSON.stringify(text)}`)
    for (const line of text.slice(0, -2).split('\r\n')) this.#lines.push(`S: ${line}`)
  }
}
