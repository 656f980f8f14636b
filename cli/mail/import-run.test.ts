/** Imports that are ended anywhere and started again: every letter is there once. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type ImportEvents, type ImportTarget, importMail, targetName } from './import-run.ts'
import { Journal, readJournal } from './journal.ts'
import { type Letter, MailboxRefusal, type StoredLetter } from './mailbox-client.ts'
import type { MailSource, SourceLetter } from './source.ts'

const folder = mkdtempSync(join(tmpdir(), 'twinpost-import-'))
after(() => rmSync(folder, { recursive: true }))
let journals = 0
const newJournal = () => join(folder, `j${journals++}`)

const letterOf = (i: number): SourceLetter => ({
  id: String(i),
  bytes: Buffer.from(`Subject: ${i}\r\n\r\n`),
  flags: ['\\Seen'],
  date: new Date(i * 1000),
})

function sourceOf(folders: Record<string, number>, validity = 'v1'): MailSource {
  return {
    name: 'test:',
    async *folders() {
      for (const [name, count] of Object.entries(folders)) {
        yield {
          path: name.split('/'),
          specialUse: null,
          subscribed: true,
          validity,
          async *letters(known) {
            for (let i = 1; i <= count; i++) if (!known.has(String(i))) yield letterOf(i)
          },
        }
      }
    },
    close: async () => {},
  }
}

/** An account in memory, in which the nth call from the start fails, before it has an effect or after it. */
class FakeAccount implements ImportTarget {
  readonly stored = new Map<string, StoredLetter[]>([['INBOX', []]])
  readonly tooBig = new Set<string>()
  calls = 0
  failAt = 0
  after = false

  mailboxes = () =>
    this.#call(() => [...this.stored.keys()].map((name) => ({ name, specialUse: null, selectable: true })))
  create = (name: string) =>
    this.#call(() => {
      if (this.stored.has(name)) throw new MailboxRefusal('NO [ALREADYEXISTS] Mailbox exists already')
      const parts = name.split('/')
      for (let i = 1; i <= parts.length; i++) {
        const path = parts.slice(0, i).join('/')
        if (!this.stored.has(path)) this.stored.set(path, [])
      }
    })
  subscribe = (_name: string) => this.#call(() => {})
  uidNext = (name: string) => this.#call(() => this.#box(name).length + 1)
  append = (name: string, letters: readonly Letter[]) =>
    this.#call(() => {
      if (letters.some(({ bytes }) => this.tooBig.has(bytes.toString()))) throw new MailboxRefusal('NO [TOOBIG] no')
      const box = this.#box(name)
      for (const letter of letters) box.push({ ...letter, uid: box.length + 1 })
    })
  read = async (name: string, uids: string, take: (letter: StoredLetter) => Promise<void>) => {
    const from = Number(uids.split(':')[0])
    const found = await this.#call(() => this.#box(name).filter(({ uid }) => uid >= from))
    for (const letter of found) await take(letter)
  }

  subjects(name: string): string[] {
    return this.#box(name).map(({ bytes }) => bytes.toString().trim())
  }

  #box(name: string): StoredLetter[] {
    return this.stored.get(name) ?? assert.fail(`no mailbox ${name}`)
  }

  async #call<T>(effect: () => T): Promise<T> {
    const fails = ++this.calls === this.failAt
    if (fails && !this.after) throw new Error('the session ended')
    const value = effect()
    if (fails) throw new Error('the session ended')
    return value
  }
}

const quiet: ImportEvents = { refused: () => {}, changed: () => {}, progress: () => {} }

async function run(source: MailSource, account: FakeAccount, path: string, events = quiet) {
  const journal = new Journal(path)
  try {
    return await importMail(source, account, journal, events)
  } finally {
    journal.close()
  }
}

const FOLDERS = { INBOX: 120, 'A/B': 3 }
const wanted = (count: number) => Array.from({ length: count }, (_, i) => `Subject: ${i + 1}`)

test('importMail() copies all folders in order, and a second run finds nothing to do', async () => {
  const account = new FakeAccount()
  const path = newJournal()
  const counts = await run(sourceOf(FOLDERS), account, path)
  assert.deepEqual([counts.letters, counts.folders, counts.skipped, counts.refused], [123, 2, 0, 0])
  assert.deepEqual(account.subjects('INBOX'), wanted(120))
  assert.deepEqual(account.subjects('A/B'), wanted(3))
  const again = await run(sourceOf({ ...FOLDERS, INBOX: 121 }), account, path)
  assert.deepEqual([again.letters, again.skipped], [1, 123])
  assert.deepEqual(account.subjects('INBOX'), wanted(121))
})

test('importMail() finds a mailbox that one below it has made', async () => {
  const account = new FakeAccount()
  await run(sourceOf({ 'A/B': 1, A: 2 }), account, newJournal())
  assert.deepEqual([account.subjects('A'), account.subjects('A/B')], [wanted(2), wanted(1)])
})

test('importMail() stores every letter once, wherever the first run was ended', async () => {
  const whole = new FakeAccount()
  await run(sourceOf(FOLDERS), whole, newJournal())
  for (const after of [false, true]) {
    for (let call = 1; call <= whole.calls; call++) {
      const account = new FakeAccount()
      account.failAt = call
      account.after = after
      const path = newJournal()
      await assert.rejects(run(sourceOf(FOLDERS), account, path))
      account.failAt = 0
      await run(sourceOf(FOLDERS), account, path)
      for (const [name, count] of Object.entries(FOLDERS))
        assert.deepEqual(account.subjects(name), wanted(count), `${after ? 'after' : 'before'} call ${call}`)
    }
  }
})

test('importMail() is not misled by mail that comes in meanwhile', async () => {
  const account = new FakeAccount()
  account.failAt = 5 // the second append of INBOX is lost before it worked
  const path = newJournal()
  await assert.rejects(run(sourceOf({ INBOX: 60 }), account, path))
  account.failAt = 0
  const other = { bytes: Buffer.from('Subject: other\r\n\r\n'), flags: [], date: new Date(0) }
  await account.append('INBOX', [other])
  await run(sourceOf({ INBOX: 60 }), account, path)
  assert.deepEqual(
    account.subjects('INBOX').filter((one) => one !== 'Subject: other'),
    wanted(60),
  )
})

test('importMail() leaves out what the account does not take, tells it, and does not try again', async () => {
  const account = new FakeAccount()
  account.tooBig.add('Subject: 7\r\n\r\n')
  const path = newJournal()
  const refused: string[] = []
  const events = { ...quiet, refused: (_folder: string, id: string) => void refused.push(id) }
  const counts = await run(sourceOf({ INBOX: 20 }), account, path, events)
  assert.deepEqual([counts.letters, counts.refused, refused], [19, 1, ['7']])
  assert.deepEqual(
    account.subjects('INBOX'),
    wanted(20).filter((one) => one !== 'Subject: 7'),
  )
  assert.equal((await run(sourceOf({ INBOX: 20 }), account, path)).letters, 0)
})

test('importMail() does not copy a folder again whose ids mean other letters', async () => {
  const account = new FakeAccount()
  const path = newJournal()
  await run(sourceOf({ INBOX: 2 }), account, path)
  const changed: string[] = []
  const events = { ...quiet, changed: (name: string) => void changed.push(name) }
  await run(sourceOf({ INBOX: 2 }, 'v2'), account, path, events)
  assert.deepEqual(changed, ['INBOX'])
  assert.equal(account.subjects('INBOX').length, 2)
})

test('readJournal() does not count a last line that was not written to its end', () => {
  const text = 'in v1 INBOX\nsending 1 1:aa,2:bb\ndone\nsending 3 3:cc\ndone'
  const state = readJournal(text).get('INBOX')
  assert.deepEqual([...(state?.known ?? [])], ['1', '2'])
  assert.deepEqual(state?.doubt, { uidNext: 3, items: [{ id: '3', sha256: 'cc' }] })
})

test('targetName() maps special mailboxes by what they are for', () => {
  const mailboxes = [
    { name: 'INBOX', specialUse: null, selectable: true },
    { name: 'Gesendet', specialUse: '\\Sent', selectable: true },
  ]
  const names: [path: string[], use: string | null, want: string][] = [
    [['inbox'], null, 'INBOX'],
    [['INBOX', 'Work'], null, 'INBOX/Work'],
    [['Sent Items'], '\\Sent', 'Gesendet'],
    [['Old', 'a/b'], null, 'Old/a_b'],
    [['Trash'], '\\Trash', 'Trash'],
  ]
  for (const [path, specialUse, want] of names) assert.equal(targetName({ path, specialUse }, mailboxes), want)
})
