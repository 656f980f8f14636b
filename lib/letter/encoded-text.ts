/** Text of our own in letters that we write: every server and every reader takes it, whatever is in it. Pure. */

/** Bytes of one encoded word: with its frame below the 75 characters of RFC 2047 section 2. */
const WORD_BYTES_MAX = 42

/** For a Subject: base64 words of UTF-8, folded; no character is cut in two. */
export function encodedWords(text: string): string {
  const words: string[] = []
  let piece = ''
  for (const character of text) {
    if (Buffer.byteLength(piece + character) > WORD_BYTES_MAX) {
      words.push(piece)
      piece = ''
    }
    piece += character
  }
  words.push(piece)
  return words.map((word) => `=?utf-8?B?${Buffer.from(word, 'utf8').toString('base64')}?=`).join('\r\n\t')
}

/** For a body with `Content-Transfer-Encoding: base64`: lines of 76 characters (RFC 2045 section 6.8), without a line end at the end. */
export function base64Lines(bytes: Buffer): string {
  return bytes.toString('base64').replace(/(.{76})(?=.)/g, '$1\r\n')
}
