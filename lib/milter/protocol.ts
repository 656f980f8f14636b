/**
 * The numbers of the milter protocol, version 6, as Sendmail's libmilter defines them: letters of commands and replies, what a
 * filter may do, which steps it wants to see. Both ends agree on them once per connection (negotiation.ts).
 */

export const VERSION = 6
/** Version 2 (Sendmail 8.11) has fewer steps and actions; older ones have no end that is still in use. */
export const VERSION_MIN = 2

/** What a filter may do with a message (SMFIF_*). */
export const ACTION = {
  addHeader: 0x1,
  replaceBody: 0x2,
  addRecipient: 0x4,
  deleteRecipient: 0x8,
  changeHeader: 0x10,
  quarantine: 0x20,
  changeSender: 0x40,
  addRecipientWithParameters: 0x80,
  requestMacros: 0x100,
} as const
/** What version 2 knows of them. */
export const ACTIONS_V2 = 0x3f
export const ACTIONS_ALL = 0x1ff

/** How the steps go (SMFIP_*): `no...` a step is not sent, `silent...` it is sent and not answered. */
export const STEP = {
  noConnect: 0x1,
  noHelo: 0x2,
  noMail: 0x4,
  noRecipient: 0x8,
  noBody: 0x10,
  noHeaders: 0x20,
  noEndOfHeaders: 0x40,
  silentHeader: 0x80,
  noUnknown: 0x100,
  noData: 0x200,
  /** The filter may answer a piece of the body with SKIP. */
  skip: 0x400,
  /** Recipients that the server refused are told too. */
  rejectedRecipients: 0x800,
  silentConnect: 0x1000,
  silentHelo: 0x2000,
  silentMail: 0x4000,
  silentRecipient: 0x8000,
  silentData: 0x1_0000,
  silentUnknown: 0x2_0000,
  silentEndOfHeaders: 0x4_0000,
  silentBody: 0x8_0000,
  /** Values of headers keep the space after the colon: only so the bytes of a letter can be rebuilt. */
  headerLeadingSpace: 0x10_0000,
} as const
/** What version 2 knows of them. */
export const STEPS_V2 = 0x7f
export const STEPS_ALL = 0x1f_ffff

export type StepName =
  | 'connect'
  | 'helo'
  | 'mail'
  | 'recipient'
  | 'data'
  | 'header'
  | 'end-of-headers'
  | 'body'
  | 'end-of-message'
  | 'unknown'

interface StepForm {
  /** The command's letter. */
  readonly letter: string
  /** The flag that keeps it from being sent, 0: it is always sent. */
  readonly omit: number
  /** The flag that keeps it from being answered, 0: it is always answered. */
  readonly silent: number
}

export const STEPS: Readonly<Record<StepName, StepForm>> = {
  connect: { letter: 'C', omit: STEP.noConnect, silent: STEP.silentConnect },
  helo: { letter: 'H', omit: STEP.noHelo, silent: STEP.silentHelo },
  mail: { letter: 'M', omit: STEP.noMail, silent: STEP.silentMail },
  recipient: { letter: 'R', omit: STEP.noRecipient, silent: STEP.silentRecipient },
  data: { letter: 'T', omit: STEP.noData, silent: STEP.silentData },
  header: { letter: 'L', omit: STEP.noHeaders, silent: STEP.silentHeader },
  'end-of-headers': { letter: 'N', omit: STEP.noEndOfHeaders, silent: STEP.silentEndOfHeaders },
  body: { letter: 'B', omit: STEP.noBody, silent: STEP.silentBody },
  'end-of-message': { letter: 'E', omit: 0, silent: 0 },
  unknown: { letter: 'U', omit: STEP.noUnknown, silent: STEP.silentUnknown },
}

/** Steps for which a filter may ask for macros by name, with the numbers of SMFIM_*. */
export const MACRO_STAGES = {
  connect: 0,
  helo: 1,
  mail: 2,
  recipient: 3,
  data: 4,
  'end-of-message': 5,
  'end-of-headers': 6,
} as const satisfies Partial<Record<StepName, number>>
export type MacroStage = keyof typeof MACRO_STAGES

/** libmilter's MILTER_CHUNK_SIZE: a longer piece of a body is refused by old filters. */
export const BODY_PIECE_BYTES_MAX = 65_535
/**
 * The largest packet either end takes. A header may be as large as the whole header of a letter; a filter that replaces a body
 * sends it in pieces.
 */
export const PACKET_BYTES_MAX = 1024 * 1024
/** Macros kept for one connection: names and values. Postfix sends some twenty of them, in all some hundred bytes. */
export const MACRO_BYTES_MAX = 64 * 1024
/** Changes that one message may get: a filter with more to say has gone mad. */
export const EDITS_MAX = 1000
/** Bytes of all changes of one message but a replaced body, which the host bounds. */
export const EDIT_BYTES_MAX = 1024 * 1024
