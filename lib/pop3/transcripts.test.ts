/**
 * Plays `transcripts/*.txt`. A line begins with who speaks: `M:` which engine and its options, `C:` the client (`C+` comes in
 * one chunk with the line after it), `H:` the host. `S:` (the server) and `A:` (the action asked for) are expectations: `UPDATE=1`
 * rewrites them, and that diff is reviewed.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { type LoginRefusal, type LoginStep, Pop3Login } from './login/engine.ts'
import { Pop3Session } from './session/engine.ts'
import { MemoryMaildrop, MemorySink } from './testing/memory-maildrop.ts'

/** What the `C` and `H` lines of one file are played to; both give the expectation lines that follow. */
interface Player {
  client(chunk: Buffer): Promise<string[]> | string[]
  host(words: readonly string[]): string[]
}

const LETTERS = [
  'From: a@example.test\r\nSubject: One\r\n\r\nfirst line\r\n.second begins with a dot\r\n..\r\n.\r\nlast\r\n',
  'From: b@example.test\r\nSubject: Two\r\n\r\n',
  'From: c@example.test\r\n\r\n1\r\n2\r\n3\r\nno line end',
]
const INTERNATIONAL = [
  'From: 安娜 <anna@example.test>\r\nSubject: Grüße\r\n\r\nonly names\r\n',
  'From: anna@example.test\r\nTo: "B" <b@example.test>,\r\n 安娜@example.test\r\n\r\nan address\r\n',
]
const REFUSALS: readonly LoginRefusal[] = ['suspended', 'in-use', 'too-soon', 'broken']

function serverLines(bytes: Buffer): string[] {
  if (bytes.length === 0) return []
  const text = bytes.toString('utf8')
  assert.ok(text.endsWith('\r\n'), 'every answer ends with CRLF')
  return text
    .slice(0, -2)
    .split('\r\n')
    .map((line) => `S: ${line}`)
}

function loginPlayer(options: readonly string[]): { player: Player; first: string[] } {
  const login = new Pop3Login({
    implementation: 'Twinpost',
    loginDelaySeconds: options.includes('delay') ? 60 : 0,
    tls: options.includes('tls'),
    tlsRequired: options.includes('tls-required'),
    startTls: options.includes('stls'),
  })
  const told = ({ bytes, action }: LoginStep): string[] => {
    const lines = serverLines(bytes)
    if (action?.kind === 'authenticate') {
      const { mechanism, credentials, attempt } = action
      lines.push(`A: authenticate ${mechanism} "${credentials.login}" "${credentials.password}" attempt ${attempt}`)
    } else if (action?.kind === 'close') lines.push(`A: close ${action.reason}`)
    else if (action !== null) lines.push(`A: ${action.kind}`)
    return lines
  }
  const host = (words: readonly string[]): string[] => {
    switch (words[0]) {
      case 'authenticated':
        return [...told(login.authenticated()), `A: rest ${JSON.stringify(login.rest().toString('utf8'))}`]
      case 'tls-started':
        return told(login.tlsStarted())
      case 'denied':
        return told(login.denied(words[1] === 'last'))
      case 'unavailable':
        return told(login.unavailable('The mail store cannot be reached, try again later'))
      case 'bye':
        return told(login.bye())
      default:
        return told(
          login.refused(
            known(
              REFUSALS.find((refusal) => refusal === words[0]),
              'a refusal',
            ),
          ),
        )
    }
  }
  return { player: { client: (chunk) => told(login.receive(chunk)), host }, first: told(login.greet()) }
}

function sessionPlayer(options: readonly string[]): { player: Player; first: string[] } {
  const letters = options.includes('empty') ? [] : options.includes('international') ? INTERNATIONAL : LETTERS
  const maildrop = new MemoryMaildrop(letters.map((letter) => Buffer.from(letter)))
  const sink = new MemorySink()
  const session = new Pop3Session(maildrop, sink, {
    implementation: 'Twinpost',
    utf8: options.includes('utf8'),
    loginDelaySeconds: options.includes('delay') ? 60 : 0,
  })
  const told = (): string[] => {
    const lines = serverLines(sink.take())
    if (!session.over) return lines
    assert.ok(maildrop.releaseCount > 0, 'a session that is over has released the maildrop')
    return [...lines, `A: over, removed ${maildrop.removed?.join(' ') ?? 'nothing'}`]
  }
  const host = (words: readonly string[]): string[] => {
    if (words[0] === 'expunge') for (const message of maildrop.messages) maildrop.gone.add(message.uid)
    else if (words[0] === 'fail-remove') maildrop.removeError = new Error('disk full')
    else session.end()
    return []
  }
  const client = async (chunk: Buffer) => {
    await session.receive(chunk).catch((error: Error) => assert.equal(error, maildrop.removeError))
    return told()
  }
  return { player: { client, host }, first: [] }
}

async function play(text: string): Promise<string> {
  const out: string[] = []
  let player: Player | null = null
  let chunk = ''
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const [who, said] = [line.slice(0, 3), line.slice(3)]
    if (who === 'S: ' || who === 'A: ') continue
    out.push(line)
    if (who === 'C+ ') chunk += `${said}\r\n`
    else if (who === 'C: ') {
      out.push(...(await known(player, 'M before C').client(Buffer.from(`${chunk}${said}\r\n`))))
      chunk = ''
    } else if (who === 'H: ') out.push(...known(player, 'M before H').host(said.split(' ')))
    else if (who === 'M: ') {
      const made = said.startsWith('login') ? loginPlayer(said.split(' ')) : sessionPlayer(said.split(' '))
      player = made.player
      out.push(...made.first)
    }
  }
  return `${out.join('\n')}\n`
}

const folder = new URL('./transcripts/', import.meta.url)
for (const name of readdirSync(folder).sort()) {
  test(`POP3 transcript ${name} is answered as written`, async () => {
    const file = new URL(name, folder)
    const written = readFileSync(file, 'utf8')
    const played = await play(written)
    if (process.env['UPDATE'] === '1') writeFileSync(file, played)
    else assert.equal(played, written)
  })
}
