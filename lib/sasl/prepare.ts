/**
 * Preparation of names and passwords before they are compared or hashed: SASLprep (RFC 4013) without its bidirectional rule
 * and without the list of unassigned code points, both of which only refuse strings. Two ways of typing one password give the same bytes.
 */

/** RFC 3454 table B.1, commonly mapped to nothing. */
const NOTHING = /\u034f|[\u180b-\u180d]|[\ufe00-\ufe0f]|\u200d|[\u00ad\u1806\u200b\u200c\u2060\ufeff]/gu
/** RFC 3454 table C.1.2, non-ASCII spaces; U+200B belongs to both tables and is mapped to nothing. */
const SPACES = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/gu
/** RFC 4013 section 2.3: controls, private use, non-characters, surrogates, and the rest of tables C.2 to C.9. */
const PROHIBITED =
  /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u06dd\u070f\u180e\u2028\u2029\u2061-\u2063\u206a-\u206f\ufff9-\ufffd\u2ff0-\u2ffb\u200e\u200f\u202a-\u202e\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u

/** @returns null for a string that may not be used: empty after mapping, or with prohibited characters. */
export function saslPrepare(text: string): string | null {
  const prepared = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC')
  return prepared === '' || PROHIBITED.test(prepared) ? null : prepared
}
