/** IMAP URLs of CATENATE (RFC 4469 section 3): relative ones (RFC 5092 section 7.2) that name bytes of a message here. */
import { decodeName } from './mailbox-name.ts'
import { type Section, sectionArgument, WHOLE } from './section.ts'
import { ImapSyntaxError } from './syntax-error.ts'
import { Tokens } from './tokens.ts'

export interface MessageUrl {
  /** Null: the selected one. */
  readonly mailbox: string | null
  readonly uidValidity: number | null
  readonly uid: number
  readonly section: Section
  readonly partial: { readonly offset: number; readonly length: number | null } | null
}

const URL =
  /^(?:\/([^;?]+?)(?:;UIDVALIDITY=([1-9]\d{0,9}))?\/)?;UID=([1-9]\d{0,9})(?:\/;SECTION=([^/;]+))?(?:\/;PARTIAL=(\d{1,15})(?:\.([1-9]\d{0,14}))?)?$/i

const UID_MAX = 0xffff_ffff

/** Null: no URL that could name anything here. */
export function messageUrl(text: string): MessageUrl | null {
  const match = URL.exec(text)
  if (match === null || Number(match[3]) > UID_MAX) return null
  const [, path, uidValidity, uid, sectionPart, offset, length] = match
  try {
    const mailbox = path === undefined ? null : decodeName(Buffer.from(unescaped(path)).toString('latin1'), true)
    return {
      mailbox,
      uidValidity: uidValidity === undefined ? null : Number(uidValidity),
      uid: Number(uid),
      section: sectionPart === undefined ? WHOLE : section(unescaped(sectionPart)),
      partial:
        offset === undefined ? null : { offset: Number(offset), length: length === undefined ? null : Number(length) },
    }
  } catch (error) {
    if (error instanceof ImapSyntaxError || error instanceof URIError) return null
    throw error
  }
}

/** @throws {URIError} if it is no percent-encoded UTF-8 */
function unescaped(text: string): string {
  return decodeURIComponent(text)
}

/** @throws {ImapSyntaxError} */
function section(text: string): Section {
  const args = new Tokens([`[${text}]`])
  const parsed = sectionArgument(args)
  args.end()
  return parsed
}
