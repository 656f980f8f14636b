/**
 * Dialogues in `transcripts/`, named after the RFC sections they show. `M: ` makes a receiver (its options), `C: ` is a line of
 * the client (`C+ ` goes out together with what follows; \0, \r, \n, \xNN are bytes; a trailing \ leaves the line end out), `H: `
 * what the host answers, `S: ` what the receiver says, `A: ` what it asks or tells its host. UPDATE=1 rewrites `S: ` and `A: `.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { known } from '#lib/errors/assert.ts'
import { reply } from './reply.ts'
import { Dialogue } from './testing/dialogue.ts'

function begin(words: readonly string[]): Dialogue {
  const dialogue = new Dialogue({
    protocol: words.includes('lmtp') ? 'lmtp' : 'smtp',
    tls: words.includes('tls'),
    startTls: words.includes('starttls'),
    loginRequired: words.includes('login'),
    smtpUtf8: words.includes('smtputf8'),
    dsn: words.includes('dsn'),
  })
  if (!words.includes('ungreeted')) dialogue.greet()
  return dialogue
}

function bytes(said: string): Buffer {
  const cut = said.endsWith('\\')
  const text = (cut ? said.slice(0, -1) : said).replace(/\\(?:x([0-9a-f]{2})|([0rn]))/g, (_, hex, name) =>
    hex ? String.fromCharCode(Number.parseInt(hex, 16)) : name === '0' ? '\0' : name === 'r' ? '\r' : '\n',
  )
  return Buffer.from(cut ? text : `${text}\r\n`, 'latin1')
}

const hostReply = (text: string) => reply(Number(text.slice(0, 3)), text.slice(4))

function answer(dialogue: Dialogue, said: string): void {
  const { receiver } = dialogue
  if (said === 'ok') dialogue.settle(null)
  else if (said === 'tls-started') receiver.tlsStarted()
  else if (said === 'greet') dialogue.greet()
  else if (said.startsWith('letter ')) dialogue.settleLetter(said.slice(7).split(' | ').map(hostReply))
  else if (said.startsWith('end ')) receiver.end(hostReply(said.slice(4)))
  else if (said === 'early?') assert.equal(receiver.spokeEarly, true)
  else dialogue.settle(hostReply(said))
}

function play(text: string): string {
  const out: string[] = []
  let dialogue: Dialogue | null = null
  let waiting: Buffer[] = []
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const [who, said] = [line.slice(0, 3), line.slice(3)]
    if (who === 'S: ' || who === 'A: ') continue
    out.push(line)
    if (who === 'M: ') {
      dialogue = begin(said.split(' '))
    } else if (who === 'C+ ') {
      waiting.push(bytes(said))
      continue
    } else if (who === 'C: ') {
      known(dialogue, 'M before C').push(Buffer.concat([...waiting, bytes(said)]))
      waiting = []
    } else if (who === 'H: ') answer(known(dialogue, 'M before H'), said)
    else if (who === 'T: ') assert.equal(known<Dialogue>(dialogue, 'M before T').receiver.transmission, said)
    else continue
    out.push(...known(dialogue, 'M first').take())
  }
  return `${out.join('\n')}\n`
}

const folder = new URL('./transcripts/', import.meta.url)
for (const name of readdirSync(folder).sort()) {
  test(`SMTP transcript ${name} is answered as written`, () => {
    const file = new URL(name, folder)
    const written = readFileSync(file, 'utf8')
    const played = play(written)
    if (process.env['UPDATE'] === '1') writeFileSync(file, played)
    else assert.equal(played, written)
  })
}
