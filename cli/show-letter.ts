/** What the letters have in common that `up` shows the array with: how they are written and handed over. */
import { createTransport } from 'nodemailer'
import type { Endpoint } from '#operator/api/local-layout.ts'

/** For each step of a client. */
export const TIMEOUT_MS = 15_000
const SENDERS_HOST = 'twinpost.example'

/** A sender of letters that wants TLS. @param ca That signed the server's certificate. @param auth Null: as another server sends */
export function transportTo({ host, port }: Endpoint, ca: string, auth: { user: string; pass: string } | null = null) {
  return createTransport({
    host,
    port,
    secure: false,
    requireTLS: true,
    tls: { ca },
    name: SENDERS_HOST,
    ...(auth && { auth }),
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
  })
}

export const messageIdOf = (token: string): string => `<${token}@${SENDERS_HOST}>`

/** A letter of text, with the line ends of RFC 5322. @param token Makes it one of its kind */
export function letterText(
  { from, to, subject, token }: { from: string; to: string; subject: string; token: string },
  lines: readonly string[],
): string {
  return [
    `From: ${from}`,
    `To: <${to}>`,
    `Subject: =?utf-8?B?${Buffer.from(subject, 'utf8').toString('base64')}?=`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${messageIdOf(token)}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    ...lines,
    '',
  ].join('\r\n')
}
