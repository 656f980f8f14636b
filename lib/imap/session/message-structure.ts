/** What is kept of a parsed message: `lib/mime`'s tree, which holds offsets and header values but no bodies. */
import type { MimeMessage } from '#lib/mime/mod.ts'

export type MessageStructure = MimeMessage
