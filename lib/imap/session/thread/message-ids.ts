/** Message ids in the header of a letter, as RFC 5256 section 3 compares them. */
import type { Headers } from '#lib/mime/mod.ts'

const MESSAGE_ID = /<((?:"(?:[^"\\]|\\.)*"|[^<>"@\s])+)@([^<>\s]+)>/g

/** All message ids in `value`, without angle brackets: `<"a"@b>` is `<a@b>`. */
export function messageIds(value: string): string[] {
  return [...value.matchAll(MESSAGE_ID)].map(([, left = '', right = '']) => {
    const plain = left.replace(/"((?:[^"\\]|\\.)*)"/g, (_, inner: string) => inner.replace(/\\(.)/g, '$1'))
    return `${plain}@${right}`
  })
}

/** The letter's own, or an empty string. */
export function messageId(headers: Headers): string {
  return messageIds(headers.first('message-id') ?? '')[0] ?? ''
}

/** Ancestors, the oldest first: References, or else the first of In-Reply-To (RFC 5256 section 3, REFERENCES step 1). */
export function ancestors(headers: Headers): string[] {
  const all = messageIds(headers.first('references') ?? '')
  return all.length > 0 ? all : messageIds(headers.first('in-reply-to') ?? '').slice(0, 1)
}
