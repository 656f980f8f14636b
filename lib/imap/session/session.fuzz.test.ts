/** Whatever bytes come, in whatever chunks, a session answers or ends by BYE; `FUZZ_RUNS` asks for more than the default. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { flagsFromNames } from '#lib/mail/flags.ts'
import { SharedView } from '../sharing/shared-view.ts'
import type { ImapAccount } from '../store.ts'
import { LETTERS } from '../testing/letters.ts'
import { MemoryAccount } from '../testing/memory-account.ts'
import { MemoryHost, TEST_NOW_MS } from '../testing/memory-host.ts'
import { MemoryNeighbours } from '../testing/memory-neighbours.ts'
import { ImapSession } from './session.ts'

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 100)

/** The account of Bob, with whom Anna shares a mailbox: names and commands of transcripts lead there too. */
async function sharing(bob: MemoryAccount): Promise<ImapAccount> {
  const anna = new MemoryAccount({ nowMs: () => TEST_NOW_MS, appendLimitBytes: 10_000, number: 1 })
  const { id } = await anna.create('Plan/2027', null)
  await anna.setGrant(id, 'bob@example.test', 'lrswitea')
  const neighbours = new MemoryNeighbours()
  for (const [account, address] of [
    [anna, 'anna@example.test'],
    [bob, 'bob@example.test'],
  ] as const) {
    await account.setAddresses([address])
    neighbours.add(account)
  }
  return new SharedView(bob, { address: 'bob@example.test', addresses: ['bob@example.test'] }, neighbours)
}

/** Runs a session on `chunks` to its end. */
async function run(chunks: readonly Buffer[]) {
  const account = new MemoryAccount({ nowMs: () => TEST_NOW_MS, appendLimitBytes: 10_000 })
  for (const [i, body] of Object.values(LETTERS).entries()) {
    const flags = flagsFromNames(i % 2 === 0 ? ['\\Seen', '$Work'] : ['\\Deleted']) ?? assert.fail()
    await account.append({ mailbox: 'INBOX', flags, internalDateMs: null, body: [body] })
  }
  const host = new MemoryHost()
  const session = new ImapSession(await sharing(account), host)
  const ended = session.run()
  for (const chunk of chunks) await session.receive(chunk)
  session.end()
  const end = await ended
  return { output: host.take(), end, reported: host.reported }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

/** Lines of clients out of the transcripts: a vocabulary that gets past the parser. */
const folder = new URL('../transcripts/', import.meta.url)
const LINES = readdirSync(folder)
  .filter((file) => file.startsWith('rfc'))
  .flatMap((file) => readFileSync(new URL(file, folder), 'utf8').split('\n'))
  .flatMap((line) => /^C[12]?>?: (\w+ .*)$/.exec(line)?.[1] ?? [])
  .filter((line) => !line.includes('<<'))

test('ImapSession survives arbitrary bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), async (chunks) => {
      const { end, reported } = await run(chunks.map((chunk) => Buffer.from(chunk)))
      assert.notEqual(end.kind, 'failed')
      assert.deepEqual(reported, [])
    }),
    { numRuns },
  )
})

test('ImapSession survives commands with damage, and answers them in the same way however they are cut', async () => {
  const line = fc.constantFrom(...LINES)
  const damage = fc.record({
    at: fc.nat(),
    byte: fc.constantFrom('', '(', ')', '"', '\r', '\n', '\0', '{9}', '*', ' ', '\xff'),
  })
  const session = fc.record({
    lines: fc.array(line, { minLength: 1, maxLength: 12 }),
    damages: fc.array(damage, { maxLength: 3 }),
    sizes: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
  })
  await fc.assert(
    fc.asyncProperty(session, async ({ lines, damages, sizes }) => {
      let text = `s0 SELECT INBOX\r\n${lines.map((words) => `${words}\r\n`).join('')}`
      for (const { at, byte } of damages) {
        const place = at % text.length
        text = text.slice(0, place) + byte + text.slice(place + 1)
      }
      const bytes = Buffer.from(text, 'latin1')
      const whole = await run([bytes])
      const pieces = await run(cut(bytes, sizes))
      assert.notEqual(whole.end.kind, 'failed')
      assert.deepEqual(whole.reported, [])
      assert.equal(pieces.output, whole.output)
      assert.deepEqual(pieces.end, whole.end)
    }),
    { numRuns },
  )
})
