/** Users of one shard share mailboxes (RFC 4314), through real edges and shards, and go on after their shard has changed its primary. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { TestArray } from './support/array.ts'
import { imapLogin } from './support/imap.ts'
import { waitFor } from './support/pour.ts'

let array: TestArray
before(async () => {
  array = await TestArray.start({ small: true, sharing: true })
})
after(() => array?.remove())

/** Lines out, lines in: what no client library knows. */
class Dialogue {
  readonly #socket: TLSSocket
  #text = ''
  #tags = 0
  #wake = () => {}

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1')
      this.#wake()
    })
    socket.on('close', () => this.#wake())
    socket.on('error', () => {})
  }

  static async of(name: string): Promise<Dialogue> {
    const { host, port } = array.endpoints.imaps
    const socket = connect({ host, port, ca: array.ca })
    await once(socket, 'secureConnect')
    const dialogue = new Dialogue(socket)
    await dialogue.hears(/^\* OK .*\r\n/m)
    const { address, password } = array.account(name)
    assert.match(await dialogue.say(`LOGIN ${address} ${password}`), /^t1 OK .*\bACL\b/m)
    return dialogue
  }

  /** @returns Everything up to the tagged answer. */
  async say(command: string): Promise<string> {
    const tag = `t${++this.#tags}`
    this.#socket.write(`${tag} ${command}\r\n`)
    return this.hears(new RegExp(`^${tag} .*\\r\\n`, 'm'))
  }

  async hears(what: RegExp): Promise<string> {
    for (;;) {
      const found = what.exec(this.#text)
      if (found !== null) {
        const end = found.index + found[0].length
        const said = this.#text.slice(0, end)
        this.#text = this.#text.slice(end)
        return said
      }
      if (this.#socket.closed) throw new Error(`The server closed before ${what}: ${this.#text}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

const SHARED = '#user/alice@example.test/Plan'
const letter = (subject: string) => Buffer.from(`From: a@example.test\r\nSubject: ${subject}\r\n\r\nbody\r\n`)

test('a mailbox is shared, read, written and taken back', async () => {
  const [alice, guest] = [await Dialogue.of('alice'), await Dialogue.of('postmaster')]
  const writer = await imapLogin(array, array.account('alice'))
  await writer.mailboxCreate('Plan')
  await writer.append('Plan', letter('one'), ['\\Flagged'])
  assert.match(await guest.say(`SELECT ${SHARED}`), /NO \[NONEXISTENT\]/)
  assert.match(await alice.say('SETACL Plan postmaster@example.test lrsi'), /OK/)
  assert.match(
    await guest.say(`LIST "" * RETURN (MYRIGHTS)`),
    /LIST \(\S*\) "\/" #user\/alice@example.test\/Plan\r\n.*lrsi\r\n/s,
  )
  assert.match(await guest.say(`SELECT ${SHARED}`), /\* 1 EXISTS.*READ-WRITE/s)
  assert.match(await guest.say('FETCH 1 (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])'), /\\Flagged.*Subject: one/s)
  assert.match(await guest.say('COPY 1 INBOX'), /OK \[COPYUID/)
  assert.match(await guest.say('STORE 1 +FLAGS (\\Deleted)'), /NO \[NOPERM\]/)
  assert.match(await guest.say('NOTIFY SET (SELECTED (MessageNew (FLAGS) MessageExpunge FlagChange))'), /OK/)
  await writer.append('Plan', letter('two'))
  await guest.hears(/\* 2 EXISTS.*\* 2 FETCH \(FLAGS [^\r]*\r\n/s)
  assert.match(await alice.say('DELETEACL Plan postmaster@example.test'), /OK/)
  await guest.hears(/\* BYE You may no longer read this mailbox\r\n/)
  await writer.logout()
  for (const one of [alice, guest]) one.close()
})

test('nothing is shared with a user of another shard: it is refused, in words', async () => {
  const [alice, bob] = [await Dialogue.of('alice'), await Dialogue.of('bob')]
  assert.match(
    await alice.say('SETACL INBOX bob@example.test lr'),
    /NO \[NONEXISTENT\] Cannot share with bob@example.test/,
  )
  assert.doesNotMatch(await bob.say('LIST "" *'), /#user/)
  for (const one of [alice, bob]) one.close()
})

test('rights and letters are there when the mirror has taken over', async () => {
  const alice = await Dialogue.of('alice')
  assert.match(await alice.say('SETACL Plan postmaster@example.test lr'), /OK/)
  alice.close()
  const { epoch } = await array.shard('n1/0')
  await array.must('switchover', 'n1/0')
  await waitFor('another primary', async () => ((await array.shard('n1/0')).epoch > epoch ? true : null))
  const guest = await Dialogue.of('postmaster')
  assert.match(await guest.say(`SELECT ${SHARED}`), /\* 2 EXISTS.*READ-ONLY/s)
  guest.close()
})
