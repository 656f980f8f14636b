/** What `ldap-server.ts` uses of ldapjs and its published types leave out. */
import type { Socket } from 'node:net'

export interface LdapConnection extends Socket {
  readonly ldap: { readonly bindDN: { toString(): string } }
  readonly parser?: { readonly buffer: Buffer | null }
}

export interface LdapControl {
  readonly type: string
  readonly criticality: boolean
  readonly value?: unknown
}

export interface LdapRequest {
  readonly connection: LdapConnection
  readonly dn: { toString(): string }
  readonly controls: readonly LdapControl[]
}

export interface BindRequest extends LdapRequest {
  readonly credentials: string
}

export interface WireAttribute {
  readonly type: string
  readonly values: readonly string[]
}

export interface AddRequest extends LdapRequest {
  readonly attributes: readonly WireAttribute[]
}

export interface ModifyRequest extends LdapRequest {
  readonly changes: readonly { readonly operation: string; readonly modification: WireAttribute }[]
}

export interface RenameRequest extends LdapRequest {
  readonly newRdn: { toString(): string }
  readonly deleteOldRdn: boolean
  readonly newSuperior?: unknown
}

export interface SearchRequest extends LdapRequest {
  /** RFC 4511 section 4.5.1.2: base 0, one level 1, subtree 2. */
  readonly scope: number
  readonly sizeLimit: number
  readonly attributes: readonly string[]
  readonly filter: WireFilter
}

export interface WireFilter {
  readonly type: string
  readonly attribute?: string
  readonly value?: string
  readonly initial?: string
  readonly any?: readonly string[]
  readonly final?: string
  readonly filter?: WireFilter
  readonly filters?: readonly WireFilter[]
}

export interface LdapResponse {
  diagnosticMessage: string
  /** Names that `send` lets through, compared as they stand; none: all. */
  attributes: string[]
  end(status: number): void
  addControl(control: LdapControl): void
  /** `unfiltered`: attributes were chosen already. */
  send(entry: { dn: string; attributes: Record<string, string[]> }, unfiltered: boolean): void
}

export type Next = (error?: unknown) => void

declare module 'ldapjs' {
  class PagedResultsControl {
    static readonly OID: string
    constructor(options: { value: { size: number; cookie: Buffer } })
    readonly type: string
    readonly criticality: boolean
    readonly value: { readonly size: number; readonly cookie: Buffer }
  }
}
