/**
 * Catalogue of the failures of the mail store: what each means to SMTP and IMAP, and whether a retry can help.
 * Callers branch on `code`; docs/reference/errors.md lists the same codes.
 */
import { CodedError, type ErrorSpec } from '#lib/errors/coded-error.ts'

export const STORE_ERRORS = {
  STORE_UNKNOWN_ACCOUNT: {
    smtp: '550 5.1.1',
    imap: 'NONEXISTENT',
    retry: false,
    meaning: 'This shard does not own the account.',
  },
  STORE_MOVED: {
    smtp: '451 4.3.0',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'The account lives on another shard: ask there. A client that connects again is led to it.',
  },
  STORE_MOVE: {
    retry: false,
    meaning:
      'The account cannot be moved so: it is there already, another move of it is under way, or the members are not of one version.',
  },
  STORE_SUSPENDED: { smtp: '550 5.2.1', imap: 'CONTACTADMIN', retry: false, meaning: 'The account is suspended.' },
  STORE_GENERATION: {
    retry: false,
    meaning: 'The shard knows a newer ownership generation of the account than the command.',
  },
  STORE_OVER_QUOTA: { smtp: '452 4.2.2', imap: 'OVERQUOTA', retry: true, meaning: 'The account is at its quota.' },
  STORE_BODY_TOO_LARGE: {
    smtp: '552 5.3.4',
    imap: 'TOOBIG',
    retry: false,
    meaning: 'The letter is larger than the shard stores.',
  },
  STORE_NO_MAILBOX: { imap: 'NONEXISTENT', retry: false, meaning: 'There is no mailbox with this name.' },
  STORE_NO_TARGET: {
    imap: 'TRYCREATE',
    retry: false,
    meaning: 'The target mailbox of APPEND, COPY or MOVE does not exist.',
  },
  STORE_MAILBOX_EXISTS: { imap: 'ALREADYEXISTS', retry: false, meaning: 'A mailbox with this name exists already.' },
  STORE_HAS_CHILDREN: { imap: 'HASCHILDREN', retry: false, meaning: 'A mailbox that has children cannot be deleted.' },
  STORE_NAME: { imap: 'CANNOT', retry: false, meaning: 'The mailbox name breaks a rule of names.' },
  STORE_CANNOT: { imap: 'CANNOT', retry: false, meaning: 'This can never be done to this mailbox, as deleting INBOX.' },
  STORE_SPECIAL_USE: { imap: 'USEATTR', retry: false, meaning: 'Another mailbox of the account has this special use.' },
  STORE_LIMIT: {
    smtp: '452 4.3.1',
    imap: 'LIMIT',
    retry: false,
    meaning: 'The account is at one of the limits of the store.',
  },
  STORE_NO_ENTRY: { retry: false, meaning: 'The letter is not in the queue any more: its recipients are done.' },
  STORE_METADATA: {
    imap: 'METADATA TOOMANY',
    retry: false,
    meaning: 'The account has as many annotations as it may have.',
  },
  STORE_READ_ONLY: { imap: 'NOPERM', retry: false, meaning: 'The mailbox was opened read-only (EXAMINE).' },
  STORE_IN_USE: { imap: 'INUSE', retry: true, meaning: 'Another POP3 session holds the maildrop.' },
  STORE_CLOSED: { imap: 'UNAVAILABLE', retry: true, meaning: 'The mailbox or the session was closed by the shard.' },
  STORE_NOT_PRIMARY: { smtp: '451 4.3.0', imap: 'UNAVAILABLE', retry: true, meaning: 'The other member is primary.' },
  STORE_BUSY: {
    smtp: '451 4.3.2',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'The disk is behind with what it was given already.',
  },
  STORE_FULL: {
    smtp: '452 4.3.1',
    imap: 'LIMIT',
    retry: true,
    meaning: 'The disk of a member is nearly full: nothing new is stored, deleting goes on.',
  },
  STORE_ONE_COPY: {
    smtp: '451 4.3.0',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning:
      'Done, but on one disk only where the MailNode asks for two: answered as failed, and to be found done later.',
  },
  STORE_UNAVAILABLE: {
    smtp: '451 4.3.0',
    imap: 'UNAVAILABLE',
    retry: true,
    meaning: 'The shard is stopping or its log failed; nothing was promised.',
  },
} as const satisfies Record<string, ErrorSpec>

export type StoreErrorCode = keyof typeof STORE_ERRORS

export class StoreError extends CodedError<StoreErrorCode> {
  override readonly name = 'StoreError'
}
