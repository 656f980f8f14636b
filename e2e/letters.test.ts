/** 100 letters of many shapes come back byte for byte behind our header block, over IMAP and POP3, also after a restart. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { letters } from './letters/letters.ts'
import { TestArray } from './support/array.ts'
import { allMessages, withoutHeaderBlock } from './support/imap.ts'
import { Pop3Client } from './support/pop3.ts'
import { SmtpDialogue } from './support/smtp.ts'

let array: TestArray
const sent: { readonly name: string; readonly bytes: Buffer }[] = []

before(async () => {
  array = await TestArray.start()
})
after(() => array?.remove())

/** Every sent letter is there once, in the order sent, and nothing else is. */
function assertAllThere(stored: readonly Buffer[]): void {
  assert.equal(stored.length, sent.length)
  for (const [index, letter] of sent.entries()) {
    const bytes = stored[index]
    assert.ok(bytes && withoutHeaderBlock(bytes, letter.bytes), `letter ${letter.name} comes back as it was sent`)
  }
}

test('100 letters of many shapes are accepted over SMTP', async () => {
  const smtp = await SmtpDialogue.open(array.endpoints.smtp)
  await smtp.say('EHLO letters.example.net')
  const to = array.account('carol').address
  for (const { name, bytes } of letters()) {
    const reply = await smtp.deliver('sender@example.net', [to], bytes)
    assert.equal(reply.code, 250, `${name}: ${reply.code} ${reply.text}`)
    sent.push({ name, bytes })
  }
  smtp.close()
  assert.ok(sent.length >= 100, `${sent.length} letters`)
})

test('they come back byte for byte over IMAP', async () => {
  const messages = await allMessages(array, array.account('carol'))
  const uids = [...messages.keys()]
  assert.deepEqual(
    uids,
    uids.toSorted((a, b) => a - b),
  )
  assertAllThere([...messages.values()])
})

async function overPop3(): Promise<{ uidls: string[]; bytes: Buffer[] }> {
  const client = await Pop3Client.login(array.endpoints.pop3s, array.ca, array.account('carol'))
  const uidls = await client.uidls()
  const bytes: Buffer[] = []
  for (const number of uidls.keys()) bytes.push(await client.retrieve(number))
  await client.quit()
  return { uidls: [...uidls.values()], bytes }
}

test('they come back byte for byte over POP3, and over both with the same UIDs and UIDLs after a restart', async () => {
  const before = await overPop3()
  assertAllThere(before.bytes)
  const uidsBefore = [...(await allMessages(array, array.account('carol'))).keys()]
  await array.down()
  await array.up()
  const messages = await allMessages(array, array.account('carol'))
  assert.deepEqual([...messages.keys()], uidsBefore)
  assertAllThere([...messages.values()])
  const again = await overPop3()
  assert.deepEqual(again.uidls, before.uidls)
  assertAllThere(again.bytes)
})
