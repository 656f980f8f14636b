/**
 * Programs that keep a copy of a mailbox in step: mbsync and offlineimap with a Maildir, imapflow with what it remembers. Both
 * sides change at random; when they have met again there is no difference. `apt-get install isync offlineimap3` brings them.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { ImapFlow } from 'imapflow'
import { type DemoAccount, TestArray } from './support/array.ts'
import { onlyInAll } from './support/extent.ts'
import { imapLogin } from './support/imap.ts'
import { prepareMbsync, shownCertificate } from './support/mbsync.ts'

const LETTERS = onlyInAll === false ? 5_000 : 200
const MAILBOXES = ['INBOX', 'Archive']

let array: TestArray
before(async () => {
  array = await TestArray.start()
})
after(() => array?.remove())

/** What both sides must agree on: Message-ID and flags of every letter, by mailbox. */
type Contents = Map<string, Map<string, string>>

/** Maildir's letters for flags (https://cr.yp.to/proto/maildir.html). */
const MAILDIR_FLAGS: readonly (readonly [string, string])[] = [
  ['\\Draft', 'D'],
  ['\\Flagged', 'F'],
  ['\\Answered', 'R'],
  ['\\Seen', 'S'],
  ['\\Deleted', 'T'],
]

function seededChance(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 0x1_0000_0000
  }
}

function letter(id: string): Buffer {
  const lines = [`Message-ID: <${id}@sync.test>`, 'From: a@sync.test', `Subject: letter ${id}`, '', `body of ${id}`, '']
  return Buffer.from(lines.join('\r\n'))
}

function messageId(source: Buffer | undefined): string {
  const id = /^Message-ID: <([^@]+)@/im.exec(source?.toString('latin1') ?? '')?.[1]
  assert.ok(id !== undefined, 'a letter of this test')
  return id
}

async function onServer(account: DemoAccount): Promise<Contents> {
  const client = await imapLogin(array, account)
  const contents: Contents = new Map()
  for (const mailbox of MAILBOXES) {
    const found = new Map<string, string>()
    const lock = await client.getMailboxLock(mailbox, { readOnly: true })
    if (client.mailbox && client.mailbox.exists > 0) {
      for await (const message of client.fetch('1:*', { flags: true, headers: ['message-id'] })) {
        const flags = MAILDIR_FLAGS.filter(([flag]) => message.flags?.has(flag)).map(([, char]) => char)
        const id = messageId(message.headers)
        assert.ok(!found.has(id), `${id} is there twice`)
        found.set(id, flags.join(''))
      }
    }
    lock.release()
    contents.set(mailbox, found)
  }
  await client.logout()
  return contents
}

function inMaildir(root: string): Contents {
  const contents: Contents = new Map()
  for (const mailbox of MAILBOXES) {
    const found = new Map<string, string>()
    for (const { path, flags } of maildirFiles(join(root, mailbox))) {
      const id = messageId(readFileSync(path))
      assert.ok(!found.has(id), `${id} is there twice`)
      found.set(id, flags)
    }
    contents.set(mailbox, found)
  }
  return contents
}

function maildirFiles(folder: string): { path: string; flags: string }[] {
  return ['cur', 'new'].flatMap((part) =>
    readdirSync(join(folder, part)).map((name) => ({
      path: join(folder, part, name),
      flags: [...(/:2,([A-Z]*)$/.exec(name)?.[1] ?? '')].sort().join(''),
    })),
  )
}

function sorted(contents: Contents): unknown {
  return [...contents].map(([mailbox, found]) => [mailbox, [...found].sort()])
}

async function fill(account: DemoAccount, count: number, prefix: string): Promise<void> {
  let client = await imapLogin(array, account)
  let reconnects = 0
  for (let i = 0; i < count; i++) {
    const [mailbox, id] = [i % 3 === 0 ? 'Archive' : 'INBOX', `${prefix}${i}`]
    try {
      await client.append(mailbox, letter(id), i % 2 === 0 ? ['\\Seen'] : [])
    } catch (error) {
      // A machine with too much to do loses sessions; whether the letter was stored is for the next one to find out.
      if (++reconnects > 10) throw error
      client = await imapLogin(array, account)
      await client.mailboxOpen(mailbox)
      const found = await client.search({ header: { 'message-id': `<${id}@sync.test>` } })
      if (!found || found.length === 0) i--
      await client.mailboxClose()
    }
  }
  await client.logout()
}

/** Flags, deletions, moves and new letters, as another client makes them. */
async function changeServer(account: DemoAccount, chance: () => number, round: number): Promise<void> {
  const client = await imapLogin(array, account)
  const lock = await client.getMailboxLock('INBOX')
  const uids = (await client.search({ all: true }, { uid: true })) || []
  const some = (share: number) => uids.filter(() => chance() < share).join(',')
  const [flagged, unseen, gone, moved] = [some(0.1), some(0.1), some(0.05), some(0.05)]
  if (flagged !== '') await client.messageFlagsAdd(flagged, ['\\Flagged', '\\Answered'], { uid: true })
  if (unseen !== '') await client.messageFlagsRemove(unseen, ['\\Seen'], { uid: true })
  if (gone !== '') await client.messageDelete(gone, { uid: true })
  if (moved !== '') await client.messageMove(moved, 'Archive', { uid: true })
  lock.release()
  await client.logout()
  await fill(account, 10, `server${round}-`)
}

/** The same on the disk, as a mail program that works on a Maildir makes them. */
function changeMaildir(root: string, chance: () => number, round: number): void {
  const files = maildirFiles(join(root, 'INBOX'))
  for (const { path, flags } of files) {
    const dice = chance()
    const [folder = '', name = ''] = [join(root, 'INBOX', 'cur'), path.split('/').at(-1)?.split(':')[0]]
    if (dice < 0.05) rmSync(path)
    else if (dice < 0.2) {
      const now = flags.includes('F') ? flags.replace('F', '') : [...flags, 'F'].sort().join('')
      renameSync(path, join(folder, `${name}:2,${now}`))
    }
  }
  for (let i = 0; i < 10; i++) {
    const id = `disk${round}-${i}`
    // Files of a Maildir have LF.
    const text = letter(id).toString('latin1').replaceAll('\r\n', '\n')
    writeFileSync(join(root, 'INBOX', 'new', `${1_700_000_000 + round * 100 + i}.${id}.host`), text, 'latin1')
  }
}

async function runs(context: TestContext, command: string, args: readonly string[]): Promise<void> {
  const { stdout, stderr } = await promisify(execFile)(command, args, { timeout: 600_000 }).catch((error: unknown) => {
    context.diagnostic(String(error))
    throw error
  })
  assert.doesNotMatch(stdout + stderr, /error|warning|exception/i)
}

function installed(context: TestContext, command: string): boolean {
  const found = spawnSync('which', [command]).status === 0
  if (!found) context.skip(`${command} is not installed`)
  return found
}

/** Rounds of changes on both sides; after each both are the same, and have what neither side took away. */
async function keepsInStep(account: DemoAccount, root: string, synchronize: () => Promise<void>): Promise<void> {
  const chance = seededChance(7)
  await fill(account, LETTERS, 'first')
  await synchronize()
  assert.deepEqual(sorted(inMaildir(root)), sorted(await onServer(account)))
  for (let round = 1; round <= 3; round++) {
    await changeServer(account, chance, round)
    changeMaildir(root, chance, round)
    // Twice: what was in conflict in the first run is carried over by the second.
    await synchronize()
    await synchronize()
    const contents = await onServer(account)
    assert.deepEqual(sorted(inMaildir(root)), sorted(contents), `after round ${round}`)
    const inbox = contents.get('INBOX')
    for (const side of ['server', 'disk']) {
      const ids = [...(inbox?.keys() ?? [])].filter((id) => id.startsWith(`${side}${round}-`))
      assert.ok(ids.length > 0, `new letters of the ${side} are there`)
    }
  }
}

test(`mbsync keeps ${LETTERS} letters and a Maildir in step`, async (context) => {
  if (!installed(context, 'mbsync')) return
  const account = array.account('alice')
  const root = join(array.root, 'mbsync')
  const args = await prepareMbsync(array, account, root, MAILBOXES)
  const synchronize = () => runs(context, 'mbsync', args)
  await keepsInStep(account, root, synchronize)
})

test(`offlineimap keeps ${LETTERS} letters and a Maildir in step`, async (context) => {
  if (!installed(context, 'offlineimap')) return
  const account = array.account('bob')
  const root = join(array.root, 'offlineimap')
  const folders = join(root, 'mail')
  mkdirSync(folders, { recursive: true })
  const { host, port } = array.endpoints.imaps
  const config = `
[general]
metadata = ${root}/state
accounts = array
[Account array]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = ${folders}
[Repository far]
type = IMAP
remotehost = ${host}
remoteport = ${port}
remoteuser = ${account.address}
remotepass = ${account.password}
ssl = yes
cert_fingerprint = ${(await shownCertificate(array)).fingerprint512.replaceAll(':', '').toLowerCase()}
folderfilter = lambda name: name in ${JSON.stringify(MAILBOXES)}
`
  writeFileSync(join(root, 'offlineimaprc'), config)
  const synchronize = () => runs(context, 'offlineimap', ['-o', '-c', join(root, 'offlineimaprc'), '-u', 'quiet'])
  await keepsInStep(account, folders, synchronize)
})

test('imapflow comes back with QRESYNC and is told what it missed, and nothing else', async () => {
  const account = array.account('carol')
  await fill(account, 60, 'qresync')
  const login = async () => {
    const { host, port } = array.endpoints.imaps
    const client = new ImapFlow({
      host,
      port,
      secure: true,
      tls: { ca: array.ca },
      auth: { user: account.address, pass: account.password },
      logger: false,
      qresync: true,
    })
    await client.connect()
    return client
  }
  const first = await login()
  const known = await first.mailboxOpen('INBOX')
  assert.ok(first.enabled.has('QRESYNC'))
  const uids = (await first.search({ all: true }, { uid: true })) || []
  await first.logout()

  const [a = 0, b = 0, c = 0] = uids
  const other = await imapLogin(array, account)
  const lock = await other.getMailboxLock('INBOX')
  await other.messageFlagsAdd(String(a), ['\\Flagged'], { uid: true })
  await other.messageDelete(`${b},${c}`, { uid: true })
  lock.release()
  await other.append('INBOX', letter('new'))
  await other.logout()

  const again = await login()
  const vanished: number[] = []
  const changed = new Map<number, boolean>()
  again.on('expunge', ({ uid, earlier }) => {
    if (uid !== undefined && earlier) vanished.push(uid)
  })
  again.on('flags', ({ uid, flags }) => {
    if (uid !== undefined) changed.set(uid, flags.has('\\Flagged'))
  })
  const opened = await again.mailboxOpen('INBOX', {
    uidValidity: known.uidValidity,
    changedSince: known.highestModseq ?? 0n,
  })
  assert.deepEqual(vanished.sort(), [b, c].sort())
  assert.deepEqual(
    [...changed],
    [
      [a, true],
      [known.uidNext, false],
    ],
  )
  assert.equal(opened.exists, uids.length - 1)
  assert.ok((opened.highestModseq ?? 0n) > (known.highestModseq ?? 0n))
  await again.logout()
})
