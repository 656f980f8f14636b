/** LANG (RFC 6856 section 3): in which language replies are. They are in English, and say so. */
import { err, multiLine, ok } from './reply.ts'

/** @param args Words behind LANG. */
export function languageReply(args: readonly string[]): string {
  const [wanted, ...more] = args
  if (wanted === undefined) return multiLine('Language listing follows', ['en English'])
  // RFC 5646 tags are compared without case; `*` asks for whatever the server thinks best, `i-default` for what everybody understands.
  if (more.length === 0 && /^(?:\*|i-default|en(?:-[a-z0-9]+)*)$/i.test(wanted)) return ok('en Replies are in English')
  return err('Replies are in English only')
}
