/** Facts and fields of the messages that a search found, for SORT and THREAD. */
import { DEEP_BATCH, FACTS_BATCH, SORT_MESSAGES_MAX } from '../../limits.ts'
import type { MessageFacts } from '../../store.ts'
import { refusal } from '../../syntax/syntax-error.ts'
import type { SessionContext } from '../context.ts'
import { MessageReader } from '../message-reader.ts'
import { Progress } from '../progress.ts'
import type { SelectedMailbox } from '../selected-mailbox.ts'
import { NO_FIELDS, type SortFields, sortFields } from './sort-fields.ts'

/**
 * Calls `take` for each message in the order of the mailbox.
 * @param withHeader False: `take` gets empty fields and nothing is read.
 * @returns False if the session ends.
 * @throws {ImapSyntaxError} Answered NO: they are too many.
 */
export async function readFields(
  session: SessionContext,
  mailbox: SelectedMailbox,
  indexes: readonly number[],
  withHeader: boolean,
  take: (index: number, facts: MessageFacts, fields: SortFields) => void,
): Promise<boolean> {
  const { host, conversation } = session
  if (indexes.length > SORT_MESSAGES_MAX) throw refusal('LIMIT', `Cannot sort more than ${SORT_MESSAGES_MAX} messages`)
  const progress = new Progress(session, indexes.length)
  let read = 0
  for (let from = 0; from < indexes.length; from += FACTS_BATCH) {
    const batch = indexes.slice(from, from + FACTS_BATCH)
    const facts = mailbox.store.facts(batch.map((index) => mailbox.uidAt(index)))
    let at = 0
    for (const message of facts) {
      while (mailbox.uidAt(batch[at] as number) !== message.uid) at++ // facts come in order, some may be left out
      const known = withHeader ? knownFields(session, message) : NO_FIELDS
      take(batch[at] as number, message, known ?? (await fieldsOf(session, mailbox, message)))
      if (known === undefined && ++read % DEEP_BATCH === 0) {
        progress.tell(from + at)
        await host.pause()
      }
      if (conversation.ending) return false
    }
    if (from + FACTS_BATCH < indexes.length) await host.pause()
  }
  return true
}

/** The fields of one message, from memory if they are known. */
export async function fieldsOf(
  session: SessionContext,
  mailbox: SelectedMailbox,
  facts: MessageFacts,
): Promise<SortFields> {
  const known = knownFields(session, facts)
  if (known !== undefined) return known
  const key = session.structureKey(facts.emailId)
  const bytes = mailbox.store.message(facts.uid)
  if (bytes === null) return NO_FIELDS
  const fields = sortFields((await new MessageReader(bytes, key, session.host).header()).headers)
  session.host.sortFields.set(key, fields)
  return fields
}

function knownFields(session: SessionContext, facts: MessageFacts): SortFields | undefined {
  return session.host.sortFields.get(session.structureKey(facts.emailId))
}
