/** The letter of all measurements: LETTER_BYTES octets of plain text, each with a number of its own. */
import { LETTER_BYTES } from '../settings.ts'

const NUMBER_DIGITS = 12
const HEADER = (number: string) =>
  [
    'From: Bench <bench@sender.test>',
    'To: Mailbox <mailbox@bench.test>',
    `Subject: Letter ${number}`,
    'Date: Mon, 17 Nov 2025 09:30:00 +0000',
    `Message-ID: <${number}@bench.test>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    '',
  ].join('\r\n')

const LINE = 'The quick brown fox jumps over the lazy dog while the bench counts letters.\r\n'
const bodyBytes = LETTER_BYTES - HEADER('0'.repeat(NUMBER_DIGITS)).length
const body = Buffer.from(`${LINE.repeat(Math.ceil(bodyBytes / LINE.length)).slice(0, bodyBytes - 2)}\r\n`)

let sent = 0

/** A new header and the shared body, together LETTER_BYTES. */
export function nextLetter(): readonly [Buffer, Buffer] {
  sent += 1
  return [Buffer.from(HEADER(String(sent).padStart(NUMBER_DIGITS, '0')), 'latin1'), body]
}
