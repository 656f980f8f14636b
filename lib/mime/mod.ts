/**
 * MIME parsing for IMAP FETCH and SEARCH and for filters: `MessageScanner` or `parseMessage` give the tree of parts with offsets
 * into the stored bytes; the rest reads headers, addresses, dates and texts. No function here fails on a message, however broken.
 */
export { parseAddressList } from './address.ts'
export { type CharsetDecoder, charsetDecoder, decodeCharset, headerText } from './charset.ts'
export { formatDate, parseDate } from './date.ts'
export { decodeWords } from './encoded-word.ts'
export { envelope } from './envelope.ts'
export { findHeaderEnd, type HeaderField, Headers } from './headers.ts'
export { ADDRESS_FIELDS, hasInternationalAddress } from './international.ts'
export { parameter } from './parameters.ts'
export { MessageScanner, parseMessage } from './scanner.ts'
export { partAt, section } from './section.ts'
export { PartTextDecoder, partText, textParts } from './text.ts'
export { type TransferDecoder, transferDecoder } from './transfer.ts'
export type {
  Address,
  ByteRange,
  Disposition,
  Envelope,
  LeafPart,
  MailDate,
  MessagePart,
  MimeMessage,
  MimePart,
  MultiPart,
  Parameter,
  SectionText,
} from './types.ts'
