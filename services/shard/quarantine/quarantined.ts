/** A letter in quarantine, as its header block tells it. Pure. */
import { RESULT_HEADER, reasonsOf } from '#lib/filter/result.ts'
import type { QuarantineFilter } from '#lib/frames/quarantine.ts'
import { type AccountId, toAccountId, ValueError } from '#lib/mail/types.ts'
import { Headers } from '#lib/mime/mod.ts'

/** Last field of the block; taken out before anybody else sees the letter. */
const OWNER = 'X-Twinpost-Quarantined-For'
const OWNER_FIELD = /(?:^|\n)X-Twinpost-Quarantined-For: ([a-z2-7]{16})\r\n$/

export interface Quarantined {
  readonly owner: AccountId
  /** Address of the envelope. */
  readonly to: string
  /** Reverse-path. */
  readonly from: string
  readonly reasons: readonly string[]
  /** As its owner gets it. */
  readonly headerBlock: Uint8Array
}

/** @returns The block with the owner at its end. */
export function withOwner(headerBlock: Uint8Array, owner: AccountId): Buffer {
  return Buffer.concat([headerBlock, Buffer.from(`${OWNER}: ${owner}\r\n`, 'latin1')])
}

/** @returns null for a block without an owner: nothing of ours. */
export function readQuarantined(headerBlock: Uint8Array): Quarantined | null {
  const text = Buffer.from(headerBlock).toString('latin1')
  const found = OWNER_FIELD.exec(text)
  if (found === null) return null
  const owner = accountId(found[1] ?? '')
  if (owner === null) return null
  const length = text.length - `${OWNER}: ${owner}\r\n`.length
  const headers = new Headers(headerBlock)
  return {
    owner,
    to: headers.first('Delivered-To') ?? '',
    from: (headers.first('Return-Path') ?? '').replace(/^<|>$/g, ''),
    reasons: reasonsOf(headers.first(RESULT_HEADER) ?? ''),
    headerBlock: headerBlock.subarray(0, length),
  }
}

export function matches({ to, from }: QuarantineFilter, letter: Pick<Quarantined, 'to' | 'from'>): boolean {
  const wanted = to?.toLowerCase().replace(/^@/, '')
  const address = letter.to.toLowerCase()
  const domain = address.slice(address.lastIndexOf('@') + 1)
  return (
    (wanted === undefined || wanted === (wanted.includes('@') ? address : domain)) &&
    (from === undefined || from.toLowerCase() === letter.from.toLowerCase())
  )
}

function accountId(text: string): AccountId | null {
  try {
    return toAccountId(text)
  } catch (error) {
    if (error instanceof ValueError) return null
    throw error
  }
}
