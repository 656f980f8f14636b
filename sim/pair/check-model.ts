/**
 * What clients know for sure: each answer that they got, with the time of the question and of the answer. From it follows what any
 * later answer must show, and what must stand in the log at the end. Shares nothing with the code under test.
 *
 * A mailbox is named by account and UIDVALIDITY, a message by that and its UID. An operation without an answer may have happened: what
 * it was asked to remove may be gone, what it was asked to add may be there, and nothing else.
 */
import { AssertionFailure } from '#lib/errors/assert.ts'

const NEVER = Number.POSITIVE_INFINITY

export interface Text {
  readonly name: string
  /** As IMAP serves it. */
  readonly bytes: Buffer
  /** Came in with a delivery id: however often it was sent, it is stored once. */
  readonly once: boolean
}

interface Message {
  readonly uid: number
  readonly box: Box
  text: Text | null
  emailId: string | null
  /** Since when it surely exists: a client was told so. */
  sinceMs: number
  /** Removals that were asked for and may have happened. */
  removers: number
  removedMs: number
  /** When a client was told that it carries the flag. */
  readonly flags: Map<string, number>
}

interface Box {
  readonly key: string
  readonly account: string
  readonly uidValidity: number
  readonly messages: Map<number, Message>
  sinceMs: number
  removers: number
  removedMs: number
  uidNext: Highest
  modSeq: Highest
}

interface Highest {
  value: number
  atMs: number
}

/** One mailbox as an answer shows it. */
export interface Shown {
  readonly account: string
  readonly uidValidity: number
  readonly uidNext: number
  readonly modSeq: number
  readonly messages: readonly ShownMessage[]
}

export interface ShownMessage {
  readonly uid: number
  readonly emailId: string
  readonly flags: readonly string[]
  /** Null: not read. */
  readonly bytes: Buffer | null
}

export interface FinalBox {
  readonly account: string
  readonly uidValidity: number
  readonly exists: boolean
  readonly messages: ReadonlyMap<number, FinalMessage>
}

export interface FinalMessage {
  /** Null: compaction dropped them. */
  readonly bytes: Buffer | null
  /** Null: compaction dropped all that was known of it but its end. */
  readonly emailId: string | null
  readonly flags: readonly string[]
  readonly present: boolean
}

export class Model {
  readonly #texts = new Map<string, Text>()
  readonly #boxes = new Map<string, Box>()

  text(bytes: Buffer): Text | null {
    return this.#texts.get(nameOf(bytes)) ?? null
  }

  /** A client is about to send it. */
  sends(text: Text): void {
    this.#texts.set(text.name, text)
  }

  mailbox(account: string, uidValidity: number, nowMs: number): void {
    const box = this.#box(account, uidValidity)
    box.sinceMs = Math.min(box.sinceMs, nowMs)
  }

  added(account: string, uidValidity: number, uid: number, text: Text | null, nowMs: number): void {
    const message = this.#message(this.#box(account, uidValidity), uid)
    this.#identify(message, text)
    message.sinceMs = Math.min(message.sinceMs, nowMs)
  }

  textOf(account: string, uidValidity: number, uid: number): Text | null {
    return this.#message(this.#box(account, uidValidity), uid).text
  }

  known(account: string, uidValidity: number, uid: number): boolean {
    return this.#boxes.get(boxKey(account, uidValidity))?.messages.get(uid)?.text != null
  }

  flagged(account: string, uidValidity: number, uid: number, flag: string, nowMs: number): void {
    const { flags } = this.#message(this.#box(account, uidValidity), uid)
    if (!flags.has(flag)) flags.set(flag, nowMs)
  }

  /** A client is about to ask for the removal of messages. The returned function tells what the answer was. */
  removes(
    account: string,
    uidValidity: number,
    uids: readonly number[],
  ): (gone: readonly number[], nowMs: number) => void {
    const box = this.#box(account, uidValidity)
    for (const uid of uids) this.#message(box, uid).removers++
    return (gone, nowMs) => {
      for (const uid of uids) this.#message(box, uid).removers--
      for (const uid of gone) {
        const message = this.#message(box, uid)
        message.removedMs = Math.min(message.removedMs, nowMs)
      }
    }
  }

  removesMailbox(account: string, uidValidity: number): (gone: boolean, nowMs: number) => void {
    const box = this.#box(account, uidValidity)
    box.removers++
    return (gone, nowMs) => {
      box.removers--
      if (gone) box.removedMs = Math.min(box.removedMs, nowMs)
    }
  }

  /** An answer listed the mailboxes of an account. */
  listed(account: string, uidValidities: ReadonlySet<number>, askedMs: number, nowMs: number): void {
    for (const box of this.#boxes.values()) {
      if (box.account !== account) continue
      if (box.sinceMs < askedMs && box.removers === 0 && box.removedMs === NEVER) {
        claim(uidValidities.has(box.uidValidity), () => `mailbox ${box.key} was there and is not listed`)
      }
      if (box.removedMs < askedMs) {
        claim(!uidValidities.has(box.uidValidity), () => `mailbox ${box.key} was deleted and came back`)
      }
    }
    for (const uidValidity of uidValidities) this.mailbox(account, uidValidity, nowMs)
  }

  /** An answer showed a mailbox. */
  shown(shown: Shown, askedMs: number, nowMs: number): void {
    const box = this.#box(shown.account, shown.uidValidity)
    grows(box.uidNext, shown.uidNext, askedMs, nowMs, `UIDNEXT of ${box.key}`)
    grows(box.modSeq, shown.modSeq, askedMs, nowMs, `MODSEQ of ${box.key}`)
    const seen = new Map(shown.messages.map((message) => [message.uid, message]))
    for (const message of box.messages.values()) {
      const here = seen.get(message.uid)
      const words = `message ${box.key}/${message.uid} (${message.text?.name ?? 'never read'})`
      if (here === undefined) {
        if (message.sinceMs < askedMs && mayStay(message)) throw new AssertionFailure(`${words} was there and is gone`)
        continue
      }
      if (message.removedMs < askedMs) throw new AssertionFailure(`${words} was expunged and came back`)
      for (const [flag, ackedMs] of message.flags) {
        if (ackedMs < askedMs) claim(here.flags.includes(flag), () => `${words} lost its flag ${flag}`)
      }
    }
    for (const message of shown.messages) this.#shownMessage(box, message, nowMs)
  }

  /**
   * An administrator gave up what was acknowledged from `sinceMs` on: it may be there or not, as if it had not been answered. What was shown
   * under a UID keeps it all the same, so that it never means anything else; and UIDNEXT and MODSEQ stay as high as anybody saw them.
   */
  giveUp(sinceMs: number): void {
    for (const box of this.#boxes.values()) {
      if (box.sinceMs >= sinceMs) box.sinceMs = NEVER
      takeBack(box, sinceMs)
      for (const message of box.messages.values()) {
        if (message.sinceMs >= sinceMs) message.sinceMs = NEVER
        takeBack(message, sinceMs)
        for (const [flag, atMs] of message.flags) if (atMs >= sinceMs) message.flags.delete(flag)
      }
    }
  }

  /** The end: the log folded by a reader of its own. */
  final(boxes: readonly FinalBox[]): void {
    const byKey = new Map(boxes.map((box) => [boxKey(box.account, box.uidValidity), box]))
    for (const box of this.#boxes.values()) {
      const end = byKey.get(box.key)
      if (box.sinceMs === NEVER && box.messages.size === 0) continue
      claim(end !== undefined || box.sinceMs === NEVER, () => `mailbox ${box.key} is not in the log`)
      if (end === undefined) continue
      if (box.removedMs !== NEVER) claim(!end.exists, () => `mailbox ${box.key} was deleted and is there at the end`)
      else if (box.removers === 0) claim(end.exists, () => `mailbox ${box.key} is gone at the end`)
      for (const message of box.messages.values()) this.#finalMessage(message, end)
    }
  }

  #finalMessage(message: Message, box: FinalBox): void {
    if (message.sinceMs === NEVER) return
    const end = box.messages.get(message.uid)
    const words = `message ${message.box.key}/${message.uid} (${message.text?.name ?? 'never read'})`
    if (end === undefined) throw new AssertionFailure(`${words} is not in the log at the end`)
    const { bytes } = end
    if (bytes === null) claim(!end.present || !box.exists, () => `${words} is there at the end, without its bytes`)
    else if (message.text !== null) {
      claim(bytes.equals(message.text.bytes), () => `${words} is ${nameOf(bytes)} at the end`)
    }
    if (message.removedMs !== NEVER) claim(!end.present, () => `${words} was expunged and is there at the end`)
    else if (mayStay(message)) claim(end.present || !box.exists, () => `${words} is gone at the end`)
    if (end.emailId === null) {
      claim(!end.present, () => `${words} is there at the end, and nothing is known of it`)
      return
    }
    claim(message.emailId === null || end.emailId === message.emailId, () => `${words} is another message at the end`)
    if (!end.present) return // compaction may have dropped its flags
    for (const flag of message.flags.keys()) {
      claim(end.flags.includes(flag), () => `${words} lacks its flag ${flag} at the end`)
    }
  }

  #shownMessage(box: Box, { uid, emailId, bytes }: ShownMessage, nowMs: number): void {
    const message = this.#message(box, uid)
    const words = `message ${box.key}/${uid} (${message.text?.name ?? 'never read'})`
    claim(message.emailId === null || message.emailId === emailId, () => `${words} has another EMAILID`)
    message.emailId = emailId
    message.sinceMs = Math.min(message.sinceMs, nowMs)
    if (bytes === null) return
    const text = this.text(bytes)
    if (text === null || !text.bytes.equals(bytes)) throw new AssertionFailure(`${words} has bytes that nobody sent`)
    this.#identify(message, text)
  }

  #identify(message: Message, text: Text | null): void {
    if (text === null) return
    claim(
      message.text === null || message.text === text,
      () => `UID ${message.uid} of ${message.box.key} means ${message.text?.name} and ${text.name}`,
    )
    message.text = text
  }

  #box(account: string, uidValidity: number): Box {
    const key = boxKey(account, uidValidity)
    let box = this.#boxes.get(key)
    if (box === undefined) {
      box = {
        key,
        account,
        uidValidity,
        messages: new Map(),
        sinceMs: NEVER,
        removers: 0,
        removedMs: NEVER,
        uidNext: { value: 0, atMs: 0 },
        modSeq: { value: 0, atMs: 0 },
      }
      this.#boxes.set(key, box)
    }
    return box
  }

  #message(box: Box, uid: number): Message {
    let message = box.messages.get(uid)
    if (message === undefined) {
      message = {
        uid,
        box,
        text: null,
        emailId: null,
        sinceMs: NEVER,
        removers: 0,
        removedMs: NEVER,
        flags: new Map(),
      }
      box.messages.set(uid, message)
    }
    return message
  }
}

/** The first line names a text. */
export function nameOf(bytes: Buffer): string {
  const at = bytes.indexOf('X-Text: ')
  return at < 0 ? 'nothing that was sent' : bytes.toString('latin1', at + 8, bytes.indexOf('\r', at))
}

function boxKey(account: string, uidValidity: number): string {
  return `${account.slice(0, 4)}/${uidValidity}`
}

/** Nobody asked for its removal, nor for that of its mailbox. */
function mayStay({ removers, removedMs, box }: Message): boolean {
  return removers === 0 && removedMs === NEVER && box.removers === 0 && box.removedMs === NEVER
}

/** A removal that was answered from then on may have happened or not. */
function takeBack(thing: { removers: number; removedMs: number }, sinceMs: number): void {
  if (thing.removedMs === NEVER || thing.removedMs < sinceMs) return
  thing.removedMs = NEVER
  thing.removers++
}

function grows(highest: Highest, value: number, askedMs: number, nowMs: number, what: string): void {
  if (highest.atMs < askedMs) claim(value >= highest.value, () => `${what} went from ${highest.value} to ${value}`)
  if (value > highest.value) {
    highest.value = value
    highest.atMs = nowMs
  }
}

function claim(condition: boolean, words: () => string): asserts condition {
  if (!condition) throw new AssertionFailure(words())
}
