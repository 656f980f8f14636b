/** What kind of write a group of facts is, for admission (replication.md rules 12 and 16): a full disk refuses what fills it only. */
import { RecordType, type ShardRecord } from '../records/types.ts'

/** `user`: stores something new. `change`: changes what is there. `relief`: frees space. */
export type WriteKind = 'user' | 'change' | 'relief'

const KINDS: Readonly<Partial<Record<number, WriteKind>>> = {
  [RecordType.messagesExpunge]: 'relief',
  [RecordType.mailboxDelete]: 'relief',
  [RecordType.accountDelete]: 'relief',
  [RecordType.accountMoved]: 'relief',
  [RecordType.moveReady]: 'relief',
  [RecordType.moveCancel]: 'relief',
  [RecordType.moveEnd]: 'relief',
  // What is in the queue must be able to leave it.
  [RecordType.queueAttempt]: 'relief',
  [RecordType.queueDefer]: 'relief',
  [RecordType.queueDone]: 'relief',
  [RecordType.messagesFlags]: 'change',
  // Most mail is deleted by a move to the trash.
  [RecordType.messagesMove]: 'change',
  [RecordType.mailboxRename]: 'change',
  [RecordType.mailboxSubscribe]: 'change',
  [RecordType.mailboxRecent]: 'change',
  [RecordType.mailboxMetadata]: 'change',
  [RecordType.accountUpdate]: 'change',
}

/** The strictest kind among `facts`: they are written as one step. */
export function writeKind(facts: readonly ShardRecord[]): WriteKind {
  const kinds = facts.map(({ type }) => KINDS[type] ?? 'user')
  if (kinds.includes('user')) return 'user'
  return kinds.includes('change') ? 'change' : 'relief'
}
