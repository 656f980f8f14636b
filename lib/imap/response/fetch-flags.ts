/** The untagged FETCH that tells flags nobody asked for (RFC 9051 section 7.5.2). */

/** With CRLF. The UID comes along: a client that works by UID needs no table to use it. */
export function fetchFlags(sequence: number, uid: number, flags: string): string {
  return `* ${sequence} FETCH (UID ${uid} FLAGS (${flags}))\r\n`
}
