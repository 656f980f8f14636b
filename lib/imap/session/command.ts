/** The shape of one command of a session; `commands/table.ts` lists them all. */
import type { Tokens } from '../syntax/tokens.ts'
import type { SessionContext } from './context.ts'
import type { Outcome } from './outcome.ts'

export interface Command {
  /** `selected` needs an open mailbox, `any` can be said always. */
  readonly state: 'any' | 'selected'
  /**
   * Whether untagged EXPUNGE may come before its tagged response. Never for FETCH, STORE and SEARCH by sequence number
   * (RFC 9051 section 7.5.1): the client's numbers would mean other messages.
   */
  readonly expunges: boolean
  /** Reads all arguments. @throws {ImapSyntaxError} Answered BAD, or NO with its response code. */
  prepare(args: Tokens): Run
  /**
   * Asked before the client sends a literal that it waits with: a refusal spares both sides the bytes. Null lets it come.
   * @param args What stands before the literal. May throw `ImapSyntaxError`: then the literal comes and `prepare()` decides.
   */
  refuseEarly?(args: Tokens, session: SessionContext): Outcome | null
}

/** Carries the command out. Store failures may be thrown as `CodedError`. */
export type Run = (session: SessionContext) => Outcome | Promise<Outcome>

/** Whether a command names messages by sequence number or by UID. */
export type Addressing = 'sequence' | 'uid'
