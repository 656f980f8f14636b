/** Resources for arrays that differ from the demo one, made from its files. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface DeployOptions {
  /** One MailNode, n1, instead of two: half the processes. Accounts are postmaster, alice (n1/0) and bob (n1/1). */
  readonly small?: boolean
  /** The filter pool too. Without it no letter is shown to a filter: what a spec sees is then the mail servers' alone. */
  readonly filter?: boolean
  /** Lines below `spec` of each MailNode. Without `giveBackAfter` among them no shard goes back by itself in the middle of a spec. */
  readonly spec?: string
}

/** @returns the folder `to`, for `twinpost up --deploy`. */
export function writeDeploy(from: string, to: string, options: DeployOptions): string {
  const read = (name: string) => readFileSync(join(from, name), 'utf8')
  const write = (name: string, text: string) => writeFileSync(join(to, name), text)
  mkdirSync(to, { recursive: true })
  write('example-test.yaml', read('example-test.yaml'))
  if (options.filter) write('filter.yaml', read('filter.yaml'))
  const node = (name: string) => (options.filter ? read(name) : read(name).replace(/^ {4}filter:\n(?: {6}.*\n)+/m, ''))
  const spec = options.spec ?? ''
  const lines = /^giveBackAfter:/m.test(spec) ? spec : `giveBackAfter: never\n${spec}`
  for (const name of options.small ? ['n1.yaml'] : ['n1.yaml', 'n2.yaml']) {
    write(name, node(name) + lines.replace(/^(?=.)/gm, '  '))
  }
  const accounts = read('accounts.yaml').split(/^(?= {2}- )/m)
  write('accounts.yaml', accounts.filter((one) => !options.small || !/home: n2/.test(one)).join(''))
  return to
}
