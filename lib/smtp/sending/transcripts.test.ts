/**
 * Dialogues in `transcripts/`, named after what they show. `M: ` makes a sender (its options), `S: ` is a line of the server (`S+ ` goes
 * out together with what follows; \r, \n, \xNN are bytes; a trailing \ leaves the line end out), `H: ` what the host does, `C: ` what the
 * sender says, `A: ` what it tells its host. UPDATE=1 rewrites `C: ` and `A: `.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import type { SenderAction, SendingTransaction } from './actions.ts'
import { SmtpSender } from './sender.ts'

function bytes(said: string): Buffer {
  const cut = said.endsWith('\\')
  const text = (cut ? said.slice(0, -1) : said).replace(/\\(?:x([0-9a-f]{2})|([rn]))/g, (_, hex, name) =>
    hex ? String.fromCharCode(Number.parseInt(hex, 16)) : name === 'r' ? '\r' : '\n',
  )
  return Buffer.from(cut ? text : `${text}\r\n`, 'latin1')
}

/** `begin <from> to to...` with `key=value` among them. */
function transaction(words: readonly string[]): SendingTransaction {
  const value = (key: string) => words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1) ?? null
  const notify = value('notify')
  const ret = value('ret')
  return {
    reversePath: known(words[0], 'a reverse-path').slice(1, -1),
    sizeBytes: Number(value('size') ?? 100),
    eightBit: words.includes('8bit'),
    smtpUtf8: words.includes('utf8'),
    ret: ret === 'FULL' || ret === 'HDRS' ? ret : null,
    envid: value('envid'),
    recipients: words
      .slice(1)
      .filter((word) => word.startsWith('to:'))
      .map((word) => ({
        address: word.slice(3),
        notify: notify === null ? null : notify === 'never' ? [] : ['FAILURE', 'DELAY'],
        orcpt: value('orcpt'),
      })),
  }
}

function told(action: SenderAction): string {
  switch (action.kind) {
    case 'finished':
      return `finished ${action.results.map(({ kind, reply, dsn }) => `${kind}${dsn ? '+dsn' : ''} (${reply})`).join(' | ')}`
    case 'closed':
      return `closed while ${action.phase}: ${action.reason}`
    default:
      return action.kind
  }
}

function act(sender: SmtpSender, said: string): void {
  const [verb, ...words] = said.split(' ')
  if (verb === 'begin') sender.begin(transaction(words))
  else if (verb === 'write') sender.write(bytes(said.slice(6)))
  else if (verb === 'end') sender.end()
  else if (verb === 'quit') sender.quit()
  else if (verb === 'tls-started') sender.tlsStarted()
  else if (verb === 'lost') sender.lost(words.join(' '))
  else throw new Error(`Cannot do ${said}`)
}

function lines(sender: SmtpSender): string[] {
  const out: string[] = []
  const text = Buffer.concat(sender.takeOutput()).toString('latin1')
  if (text !== '')
    out.push(
      ...text
        .replace(/\r\n$/, '')
        .split('\r\n')
        .map((line) => `C: ${line}`),
    )
  for (let action = sender.next(); action !== null; action = sender.next()) out.push(`A: ${told(action)}`)
  return out
}

function play(text: string): string {
  const out: string[] = []
  let sender: SmtpSender | null = null
  let waiting: Buffer[] = []
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const [who, said] = [line.slice(0, 3), line.slice(3)]
    if (who === 'C: ' || who === 'A: ') continue
    out.push(line)
    if (who === 'M: ') {
      const tls = said.includes('required') ? 'required' : said.includes('never') ? 'never' : 'opportunistic'
      const login = said.includes('login') ? { user: 'anna', password: 'secret' } : null
      sender = new SmtpSender({ hostname: 'mx.example.test', secure: said.includes('secure'), tls, login })
    } else if (who === 'S+ ') {
      waiting.push(bytes(said))
      continue
    } else if (who === 'S: ') {
      known(sender, 'M before S').push(Buffer.concat([...waiting, bytes(said)]))
      waiting = []
    } else if (who === 'H: ') act(known(sender, 'M before H'), said)
    else continue
    out.push(...lines(known(sender, 'M first')))
  }
  return `${out.join('\n')}\n`
}

const folder = new URL('./transcripts/', import.meta.url)
for (const name of readdirSync(folder).sort()) {
  test(`SMTP sending transcript ${name} goes as written`, () => {
    const file = new URL(name, folder)
    const written = readFileSync(file, 'utf8')
    const played = play(written)
    if (process.env['UPDATE'] === '1') writeFileSync(file, played)
    else assert.equal(played, written)
  })
}
