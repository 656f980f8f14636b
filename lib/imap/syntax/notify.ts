/** The arguments of NOTIFY (RFC 5465 section 8). */
import { NOTIFY_GROUPS_MAX } from '../limits.ts'
import { type FetchItem, fetchItems } from './fetch-items.ts'
import { type MailboxSource, mailboxSource } from './mailbox-source.ts'
import { refusal, syntaxError } from './syntax-error.ts'
import type { Tokens } from './tokens.ts'

/** As a client says them; of those that RFC 5465 has, AnnotationChange is missing: there are no annotations of messages. */
const EVENTS = [
  'MessageNew',
  'MessageExpunge',
  'FlagChange',
  'MailboxName',
  'SubscriptionChange',
  'MailboxMetadataChange',
  'ServerMetadataChange',
] as const
export type NotifyEvent = (typeof EVENTS)[number]

const OF_MESSAGES: ReadonlySet<NotifyEvent> = new Set(['MessageNew', 'MessageExpunge', 'FlagChange'])

/** What a client wants to hear of the mailbox that it has open. */
export interface SelectedWish {
  /** SELECTED: EXPUNGE too comes at once, so the client works by UID. SELECTED-DELAYED: it waits for a command that allows it. */
  readonly atOnce: boolean
  readonly events: ReadonlySet<NotifyEvent>
  /** Asked of new messages; null: nothing. */
  readonly items: readonly FetchItem[] | null
}

export interface EventGroup {
  readonly source: MailboxSource
  readonly events: ReadonlySet<NotifyEvent>
}

export interface NotifyWish {
  /** STATUS of the mailboxes meant is told at once. */
  readonly status: boolean
  readonly selected: SelectedWish | null
  /** The first that means a mailbox counts. */
  readonly groups: readonly EventGroup[]
}

interface Events {
  readonly events: ReadonlySet<NotifyEvent>
  readonly items: readonly FetchItem[] | null
}

/** "NONE" / "SET" [SP "STATUS"] 1*(SP event-group). @returns Null: NONE */
export function notifyArguments(args: Tokens): NotifyWish | null {
  if (args.tryWord('NONE')) return null
  if (!args.tryWord('SET')) throw args.error('SET or NONE')
  args.space()
  const status = args.tryWord('STATUS')
  if (status) args.space()
  let selected: SelectedWish | null = null
  const groups: EventGroup[] = []
  do {
    if (groups.length >= NOTIFY_GROUPS_MAX) throw refusal('LIMIT', `More than ${NOTIFY_GROUPS_MAX} event groups`)
    args.open()
    const word = args.word()
    const ofSelected = word === 'SELECTED' || word === 'SELECTED-DELAYED'
    const source = ofSelected ? null : mailboxSource(args, word)
    args.space()
    const { events, items } = eventsArgument(args, ofSelected)
    if (!args.tryClose()) throw args.error('")"')
    if (source !== null) groups.push({ source, events })
    else if (selected !== null) throw syntaxError('The selected mailbox is named twice')
    else selected = { atOnce: word === 'SELECTED', events, items }
  } while (args.trySpace())
  return { status, selected, groups }
}

/** "(" event *(SP event) ")" / "NONE". */
function eventsArgument(args: Tokens, ofSelected: boolean): Events {
  if (args.tryWord('NONE')) return { events: new Set(), items: null }
  let items: readonly FetchItem[] | null = null
  const events = new Set<NotifyEvent>(
    args.list(() => {
      const word = args.word()
      const event = EVENTS.find((known) => known.toUpperCase() === word)
      // RFC 5465 section 3.1: the client hears what it may ask for.
      if (event === undefined) throw refusal(`BADEVENT (${EVENTS.join(' ')})`, `Event ${word} is not supported`)
      if (ofSelected && !OF_MESSAGES.has(event)) throw syntaxError(`${event} is not for the selected mailbox`)
      if (event === 'MessageNew' && args.startsWith(' (')) {
        if (!ofSelected) throw syntaxError('Only of messages in the selected mailbox items can be asked')
        args.space()
        items = fetchItems(args)
      }
      return event
    }),
  )
  // RFC 5465 section 5: numbers and flags mean nothing to who does not hear what comes and goes.
  if (events.has('MessageNew') !== events.has('MessageExpunge')) {
    throw syntaxError('MessageNew and MessageExpunge go together')
  }
  if (events.has('FlagChange') && !events.has('MessageNew')) throw syntaxError('FlagChange needs MessageNew')
  return { events, items }
}
