/** Status lines, with the response codes of RFC 2449 section 8, RFC 3206, RFC 6856 section 5 and nothing else. */

export type ResponseCode = 'AUTH' | 'IN-USE' | 'LOGIN-DELAY' | 'SYS/TEMP' | 'SYS/PERM' | 'UTF8'

export function ok(text: string): string {
  return text === '' ? '+OK\r\n' : `+OK ${text}\r\n`
}

/** The code, where there is one, is for the client; the text is for the person. */
export function err(text: string, code?: ResponseCode): string {
  return code === undefined ? `-ERR ${text}\r\n` : `-ERR [${code}] ${text}\r\n`
}

/** A status line, its lines and the final dot (RFC 1939 section 3). No line may begin with a dot. */
export function multiLine(text: string, lines: readonly string[]): string {
  return `${ok(text)}${lines.map((line) => `${line}\r\n`).join('')}.\r\n`
}
