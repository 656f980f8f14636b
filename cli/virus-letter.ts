/**
 * The letter that `up` sends to show that a virus reaches nobody: the test file of EICAR, which every scanner calls one, inside of an
 * archive. It comes as from another server. As the array's rules say it is refused at the end of DATA, so that nobody holds it but its
 * sender, or taken and kept in quarantine.
 */
import { zipOf } from '#lib/bytes/zip-writer.ts'
import type { Endpoints } from '#operator/api/local-layout.ts'
import { transportTo } from './show-letter.ts'

/** https://www.eicar.org: 68 characters that do nothing. In two parts, so that scanners leave this file alone. */
const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('')
const NAME = 'eicar.com'
/** Sender of the envelope: by it the letter is found in quarantine. */
export const VIRUS_SENDER = 'virus@twinpost.example'

export interface VirusFacts {
  readonly to: string
  /** What the server said to it. */
  readonly reply: string
}

/** @throws if the letter was not refused, or taken, as it must be, or refused for another reason than its content */
export async function sendVirus(endpoints: Endpoints, ca: string, rule: 'reject' | 'quarantine'): Promise<VirusFacts> {
  const [account] = endpoints.accounts
  if (!account) throw new Error('there is no account to write to')
  const transport = transportTo(endpoints.smtp, ca)
  try {
    const { response } = await transport.sendMail({
      from: VIRUS_SENDER,
      to: account.address,
      subject: 'EICAR',
      text: 'The attachment is the test file that every scanner calls a virus.',
      attachments: [{ filename: 'invoice.zip', content: zipOf({ [NAME]: Buffer.from(EICAR) }) }],
    })
    if (rule === 'quarantine') return { to: account.address, reply: response }
    throw new Error(`a letter with a virus was taken: ${response}`)
  } catch (error) {
    const reply = error instanceof Error && 'response' in error ? error.response : undefined
    if (rule === 'quarantine' || typeof reply !== 'string' || !reply.startsWith('550 5.7.1')) throw error
    return { to: account.address, reply }
  } finally {
    transport.close()
  }
}
