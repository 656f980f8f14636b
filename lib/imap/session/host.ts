/**
 * The port of a session towards the process that runs it: where bytes go, what time it is, how the event loop gets a
 * turn. The account itself comes through `../store.ts`.
 */
import type { CodedError } from '#lib/errors/coded-error.ts'
import type { Clock } from '#lib/ports/clock.ts'
import type { CompressionBudget } from './compress/compression.ts'
import type { HeaderCache } from './header-cache.ts'
import type { SortFieldsCache } from './sort/sort-fields.ts'
import type { StructureCache } from './structure-cache.ts'

export interface SessionHost {
  readonly clock: Clock
  /**
   * Takes bytes for the client, in order. They are not copied and the engine never changes them afterwards.
   * @returns False when enough is waiting: the engine then awaits `drained()` before it writes more.
   */
  write(bytes: Uint8Array): boolean
  /** Resolves when more may be written, and also when the connection is gone. Never rejects. */
  drained(): Promise<void>
  /** Gives the event loop a turn (setImmediate); called between batches of long commands. */
  pause(): Promise<void>
  /** The response code of a failure of the store, without brackets (`OVERQUOTA`), if the catalogue has one. */
  responseCode(error: CodedError): string | undefined
  /** A failure nobody expected: it ended `command`, and with it this session if `fatal`. */
  report(error: unknown, context: { readonly command: string; readonly fatal: boolean }): void
  /** Parsed structures, shared by all sessions of the process. */
  readonly structures: StructureCache
  /** Parsed headers, likewise. */
  readonly headers: HeaderCache
  /** Compressed sessions of the process. */
  readonly compression: CompressionBudget
  /** What SORT and THREAD know of letters, likewise. */
  readonly sortFields: SortFieldsCache
}

/** Why `ImapSession.run()` resolved. It never rejects. */
export type SessionEnd =
  | { readonly kind: 'logout' }
  /** The host called `end()`: the client went away. */
  | { readonly kind: 'gone' }
  /** The session said BYE: mailbox gone, host draining, client out of step. */
  | { readonly kind: 'bye'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: unknown }
