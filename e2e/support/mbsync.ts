/** A Maildir that mbsync keeps in step with an account (`apt-get install isync`), and the certificate that such programs want to see. */
import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import type { DemoAccount, TestArray } from './array.ts'

/** What the array shows at its IMAP port over TLS: such programs do not look for addresses in certificates, so they are given the one that they will see. */
export async function shownCertificate(array: TestArray): Promise<X509Certificate> {
  const { host, port } = array.endpoints.imaps
  const socket = connect({ host, port, ca: array.ca })
  await once(socket, 'secureConnect')
  const shown = socket.getPeerX509Certificate()
  socket.end()
  assert.ok(shown)
  return shown
}

/** @param root Made here: the Maildir, the state and the configuration lie in it. @returns Arguments that synchronise everything */
export async function prepareMbsync(
  array: TestArray,
  { address, password }: DemoAccount,
  root: string,
  mailboxes: readonly string[],
): Promise<string[]> {
  const { host, port } = array.endpoints.imaps
  mkdirSync(root)
  writeFileSync(join(root, 'certificate.pem'), (await shownCertificate(array)).toString())
  writeFileSync(
    join(root, 'mbsyncrc'),
    `
IMAPAccount array
Host ${host}
Port ${port}
User ${address}
Pass "${password}"
SSLType IMAPS
CertificateFile ${join(root, 'certificate.pem')}

IMAPStore far
Account array

MaildirStore near
Path ${root}/
Inbox ${root}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns ${mailboxes.join(' ')}
Create Both
Expunge Both
SyncState ${root}/state-
`,
  )
  return ['--quiet', '--config', join(root, 'mbsyncrc'), '--all']
}
