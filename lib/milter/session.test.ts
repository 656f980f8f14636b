/** Both ends joined: what the filter sees of a letter, and what its answers come to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MilterClient } from './client/client.ts'
import type { Step } from './commands.ts'
import { packet, texts, u32 } from './packets.ts'
import { ACTION, STEP } from './protocol.ts'
import type { Edit, Verdict } from './replies.ts'
import { type FilterAnswer, Loop, type LoopOptions, STEPS_OF_A_LETTER, saidText, seenText } from './testing/loop.ts'

const GO_ON: FilterAnswer = { verdict: { kind: 'continue' } }

function letter(options: LoopOptions = {}): Loop {
  const loop = new Loop(options)
  for (const step of STEPS_OF_A_LETTER) loop.ask(step)
  return loop
}

/** Answers the first step of a kind with a verdict. */
function answerAt(kind: Step['kind'], verdict: Verdict): LoopOptions {
  let given = false
  return {
    answer: (step) => {
      if (given || step.kind !== kind) return GO_ON
      given = true
      return { verdict }
    },
  }
}

test('a filter that wants everything sees a letter step by step', () => {
  const loop = letter({ filter: { steps: STEP.headerLeadingSpace } })
  assert.deepEqual(loop.seen.map(seenText), [
    'agreed',
    'connect mail.example.net 192.0.2.1',
    'helo mail.example.net',
    'mail <ben@example.net> SIZE=20',
    'recipient <anna@example.test>',
    'recipient <bert@example.test>',
    'data',
    'header Subject: a\n b',
    'header From: ben@example.net',
    'end-of-headers',
    'body one',
    'body two',
    'end-of-message',
  ])
  assert.deepEqual(loop.said.map(saidText), ['agreed', ...STEPS_OF_A_LETTER.map(({ kind }) => `${kind} continue`)])
})

test('a step that the filter does not want is settled and not sent', () => {
  const steps = STEP.noConnect | STEP.noHelo | STEP.noMail | STEP.noRecipient | STEP.noData | STEP.noBody
  const loop = letter({ filter: { steps } })
  assert.deepEqual(loop.seen.map(seenText), [
    'agreed',
    'header Subject: a\n b',
    'header From: ben@example.net',
    'end-of-headers',
    'end-of-message',
  ])
  assert.equal(loop.said.length, 1 + STEPS_OF_A_LETTER.length)
})

test('a silent step is sent, and nobody waits for an answer', () => {
  const loop = letter({ filter: { steps: STEP.silentHeader | STEP.silentBody } })
  assert.ok(loop.seen.map(seenText).includes('header From: ben@example.net (no answer)'))
  assert.ok(loop.seen.map(seenText).includes('body two (no answer)'))
  assert.equal(loop.said.map(saidText).at(-1), 'end-of-message continue')
})

test('skip leaves the rest of the body out, and the end of the message is told', () => {
  const loop = letter({ filter: { steps: STEP.skip }, ...answerAt('body', { kind: 'skip' }) })
  assert.deepEqual(loop.seen.map(seenText).slice(-2), ['body one', 'end-of-message'])
  assert.deepEqual(loop.said.map(saidText).slice(-3), ['body skip', 'body continue', 'end-of-message continue'])
})

test('skip that was not agreed is said as continue', () => {
  const loop = letter(answerAt('body', { kind: 'skip' }))
  assert.deepEqual(loop.said.map(saidText).slice(-3), ['body continue', 'body continue', 'end-of-message continue'])
})

for (const [at, verdict, rest] of [
  ['mail', 'accept', 'accept'],
  ['recipient', 'accept', 'accept'],
  ['recipient', 'discard', 'discard'],
  ['recipient', 'reject', 'continue'],
  ['recipient', 'tempfail', 'continue'],
  ['header', 'reject', 'reject'],
  ['end-of-headers', 'tempfail', 'tempfail'],
  ['body', 'discard', 'discard'],
  ['helo', 'accept', 'accept'],
  ['connect', 'reject', 'reject'],
] as const) {
  test(`${verdict} at ${at} makes the end of the message ${rest}`, () => {
    const said: Verdict =
      verdict === 'reject' || verdict === 'tempfail' ? { kind: verdict, reply: null } : { kind: verdict }
    const loop = letter(answerAt(at, said))
    assert.equal(loop.said.map(saidText).at(-1), `end-of-message ${rest}`)
    const told = loop.seen.map(seenText)
    assert.equal(told.includes('end-of-message'), rest === 'continue')
    assert.equal(told.includes('abort'), false)
  })
}

test('the next message is shown after a last word about the one before, unless it was about the connection', () => {
  const next: Step = { kind: 'mail', path: '<eve@example.net>', parameters: [] }
  const ofMessage = letter(answerAt('header', { kind: 'accept' }))
  ofMessage.ask(next)
  assert.equal(ofMessage.said.map(saidText).at(-1), 'mail continue')
  assert.equal(ofMessage.seen.map(seenText).at(-1), 'mail <eve@example.net>')
  const ofConnection = letter(answerAt('helo', { kind: 'accept' }))
  ofConnection.ask(next)
  assert.equal(ofConnection.said.map(saidText).at(-1), 'mail accept')
})

test('a connection goes on with another client', () => {
  const loop = letter(answerAt('connect', { kind: 'reject', reply: null }))
  loop.client.newConnection()
  for (const step of STEPS_OF_A_LETTER) loop.ask(step)
  assert.equal(loop.said.map(saidText).at(-1), 'end-of-message continue')
  assert.equal(loop.seen.map(seenText).includes('new-connection'), true)
})

test('changes come with the end of the message, in their order', () => {
  const edits: Edit[] = [
    { kind: 'add-header', name: 'X-Seen', value: 'yes' },
    { kind: 'insert-header', index: 0, name: 'X-First', value: 'a\n\tb' },
    { kind: 'change-header', index: 1, name: 'Subject', value: '' },
    { kind: 'change-sender', path: '<new@example.net>', parameters: null },
    { kind: 'add-recipient', path: '<carl@example.test>', parameters: null },
    { kind: 'add-recipient', path: '<dora@example.test>', parameters: 'NOTIFY=NEVER' },
    { kind: 'delete-recipient', path: '<anna@example.test>' },
    { kind: 'replace-body', piece: Buffer.from('new ') },
    { kind: 'replace-body', piece: Buffer.from('body') },
    { kind: 'quarantine', reason: 'looks odd' },
  ]
  const actions = 0xff
  const loop = letter({
    filter: { actions },
    answer: (step) => (step.kind === 'end-of-message' ? { verdict: { kind: 'continue' }, edits } : GO_ON),
  })
  const end = loop.said.at(-1)
  assert.equal(end?.kind, 'settled')
  assert.deepEqual(end.edits, edits)
})

test('a reply of several lines arrives as it was said', () => {
  const reply = { code: 554, lines: ['5.7.1 No', '5.7.1 100% no'] }
  const loop = letter(answerAt('recipient', { kind: 'reject', reply }))
  const settled = loop.said.find((event) => event.kind === 'settled' && event.step === 'recipient')
  assert.deepEqual(settled?.kind === 'settled' ? settled.verdict : null, { kind: 'reject', reply })
})

test('macros come with their step, those that were not asked for are left out, and a new message begins without', () => {
  const seen: (readonly (string | null)[])[] = []
  const loop = new Loop({
    filter: { actions: ACTION.requestMacros, macros: new Map([['mail', ['i', 'auth_authen']]]) },
    answer: (step, server) => {
      if (step.kind === 'mail')
        seen.push([server.macro('i'), server.macro('auth_authen'), server.macro('mail_addr'), server.macro('j')])
      return GO_ON
    },
  })
  const [connect, helo, mail] = STEPS_OF_A_LETTER
  assert.ok(connect && helo && mail)
  loop.ask(connect, [['j', 'mx.example.test']])
  loop.ask(helo)
  loop.ask(mail, [
    ['i', 'q1'],
    ['auth_authen', 'ben'],
    ['mail_addr', 'ben@example.net'],
  ])
  loop.client.abort()
  loop.ask(mail, [['i', 'q2']])
  assert.deepEqual(seen, [
    ['q1', 'ben', null, 'mx.example.test'],
    ['q2', null, null, 'mx.example.test'],
  ])
})

test('a message that is given up while an answer is awaited leaves nothing behind', () => {
  const loop = new Loop()
  const client = loop.client
  for (const step of STEPS_OF_A_LETTER.slice(0, 4)) client.ask(step)
  client.abort()
  for (const step of STEPS_OF_A_LETTER.slice(2)) client.ask(step)
  loop.run()
  assert.equal(loop.said.map(saidText).at(-1), 'end-of-message continue')
  assert.equal(loop.seen.map(seenText).filter((text) => text === 'end-of-message').length, 1)
})

test('MAIL without an end of the message before begins anew', () => {
  const loop = new Loop()
  const [connect, , mail, recipient] = STEPS_OF_A_LETTER
  assert.ok(connect && mail && recipient)
  for (const step of [connect, mail, recipient, mail]) loop.ask(step)
  assert.deepEqual(loop.seen.map(seenText).slice(-2), ['abort', 'mail <ben@example.net> SIZE=20'])
})

test('the last piece of a body may come with the end of the message', () => {
  const loop = new Loop()
  loop.server.push(packet('E', 'rest'))
  loop.run()
  assert.deepEqual(loop.seen.map(seenText).slice(-2), ['body rest (no answer)', 'end-of-message'])
})

/** What a filter sends, after negotiation and a question where one is named, and the code that ends the connection. */
for (const [what, step, bytes, code] of [
  ['a packet of no bytes', null, Buffer.from([0, 0, 0, 0, 99]), 'MILTER_MALFORMED'],
  ['a packet of 4 GiB', null, Buffer.from([255, 255, 255, 255, 99]), 'MILTER_MALFORMED'],
  ['an answer without a question', null, packet('c'), 'MILTER_OUT_OF_STEP'],
  ['a letter that means nothing', 'data', packet('Z'), 'MILTER_MALFORMED'],
  ['a change before the end', 'data', packet('h', texts('A', 'b')), 'MILTER_OUT_OF_STEP'],
  ['a change that was not agreed', 'end-of-message', packet('b', 'new'), 'MILTER_NOT_AGREED'],
  ['skip that was not agreed', 'body', packet('s'), 'MILTER_NOT_AGREED'],
  ['skip at another step', 'data', packet('s'), 'MILTER_NOT_AGREED'],
  ['a reply that is none', 'data', packet('y', texts('250 ok')), 'MILTER_MALFORMED'],
  ['a reply with two codes', 'data', packet('y', texts('550-a\r\n551 b')), 'MILTER_MALFORMED'],
  ['a text without its end', 'end-of-message', packet('h', 'A\0b'), 'MILTER_MALFORMED'],
  ['a number cut off', 'end-of-message', packet('i', Buffer.from([0, 0])), 'MILTER_MALFORMED'],
  ['a second negotiation', 'data', packet('O', u32(6), u32(0), u32(0)), 'MILTER_OUT_OF_STEP'],
  ['discard of a connection', 'helo', packet('d'), 'MILTER_OUT_OF_STEP'],
] as const) {
  test(`a filter that sends ${what} is not talked to any more`, () => {
    const loop = new Loop({ filter: { actions: ACTION.addHeader } })
    for (const asked of STEPS_OF_A_LETTER) if (asked.kind === step) loop.client.ask(asked)
    loop.client.takeOutput()
    loop.client.push(bytes)
    const event = loop.client.next()
    assert.equal(event && saidText(event), `failed ${code}`)
    loop.client.ask({ kind: 'data' })
    assert.deepEqual([loop.client.takeOutput(), loop.client.next()], [[], null])
  })
}

test('a filter that asks for more than is offered, or leaves out what it must answer, is refused at the beginning', () => {
  for (const answer of [
    packet('O', u32(6), u32(ACTION.replaceBody), u32(0)),
    packet('O', u32(6), u32(0), u32(STEP.rejectedRecipients)),
    packet('O', u32(7), u32(0), u32(0)),
    packet('O', u32(1), u32(0), u32(0)),
    packet('c'),
  ]) {
    const fresh = new MilterClient({
      actions: ACTION.addHeader,
      newBodyBytesMax: 0,
    })
    fresh.push(answer)
    assert.equal(fresh.next()?.kind, 'failed')
  }
})

test('an old filter agrees to what it knows', () => {
  const fresh = new MilterClient({ actions: 0xff, newBodyBytesMax: 0 })
  fresh.push(packet('O', u32(2), u32(0x3f), u32(STEP.noHelo)))
  assert.deepEqual(fresh.next(), {
    kind: 'agreed',
    agreement: { version: 2, actions: 0x3f, steps: STEP.noHelo, macros: new Map() },
  })
  assert.equal(fresh.reusable, false)
})

test('a body that grows beyond the bound fails the filter', () => {
  const loop = letter({
    filter: { actions: ACTION.replaceBody },
    newBodyBytesMax: 10,
    answer: (step) =>
      step.kind === 'end-of-message'
        ? { verdict: { kind: 'accept' }, edits: [{ kind: 'replace-body', piece: Buffer.alloc(11) }] }
        : GO_ON,
  })
  assert.equal(loop.said.map(saidText).at(-1), 'failed MILTER_TOO_MUCH')
})

/** What a mail server sends to a filter, and the code that ends the connection. */
for (const [what, bytes, code] of [
  ['the end of a message alone', packet('E'), null],
  ['a letter that means nothing', packet('Z'), 'MILTER_MALFORMED'],
  ['a second negotiation', packet('O', u32(6), u32(0), u32(0)), 'MILTER_OUT_OF_STEP'],
  ['a macro without a value', packet('D', 'C', texts('j')), 'MILTER_MALFORMED'],
  ['macros of an unknown command', packet('D', 'Z'), 'MILTER_MALFORMED'],
  [
    'an address of an unknown family',
    packet('C', texts('a'), 'X', Buffer.from([0, 25]), texts('b')),
    'MILTER_MALFORMED',
  ],
  ['a recipient behind the header', Buffer.concat([packet('N'), packet('R', texts('<a@b>'))]), 'MILTER_OUT_OF_STEP'],
] as const) {
  test(`a mail server that sends ${what} ${code === null ? 'is served' : 'is not listened to any more'}`, () => {
    const loop = new Loop()
    loop.server.push(Buffer.from(bytes))
    loop.run()
    assert.equal(loop.seen.map(seenText).at(-1), code === null ? 'end-of-message' : `failed ${code}`)
  })
}

test('macros without end are not kept', () => {
  const loop = new Loop()
  for (let i = 0; i < 200; i++) {
    loop.server.push(packet('D', 'C', texts(`name${i}`, 'x'.repeat(1000))))
    loop.server.push(packet('H', texts('a')))
    loop.run()
  }
  assert.equal(loop.seen.map(seenText).at(-1), 'failed MILTER_TOO_MUCH')
})

test('signs of life reach the mail server', () => {
  const loop = new Loop({
    answer: (_step, server) => {
      server.progress()
      return GO_ON
    },
  })
  loop.ask({ kind: 'end-of-message' })
  assert.deepEqual(loop.said.map(saidText), ['agreed', 'progress', 'end-of-message continue'])
})
