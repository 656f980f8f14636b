/** Resources for arrays that differ from the demo one, made from its files. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** As `spec.engines[]` of a FilterPool has it. */
export interface PoolEngine {
  readonly name: string
  readonly kind: string
  readonly address?: string
  readonly url?: string
}

export interface DeployOptions {
  /** One MailNode, n1, instead of two: half the processes. Accounts are postmaster, alice (n1/0) and bob (n1/1). */
  readonly small?: boolean
  /** Engines of the filter pool. Without them no letter is shown to a filter: what a spec sees is then the mail servers' alone. */
  readonly engines?: readonly PoolEngine[]
  /** What becomes of a virus, with `engines`; as the demo array says without it: quarantine. */
  readonly onVirus?: 'quarantine' | 'reject' | 'discard'
  /** How much spam people want to see, with `engines`; `standard` without it. */
  readonly level?: 'off' | 'low' | 'standard' | 'strict'
  /** IMAP users may share mailboxes. */
  readonly sharing?: boolean
  /** Lines below `spec` of each MailNode. Without `giveBackAfter` among them no shard goes back by itself in the middle of a spec. */
  readonly spec?: string
}

/** @returns the folder `to`, for `twinpost up --deploy`. */
export function writeDeploy(from: string, to: string, options: DeployOptions): string {
  const read = (name: string) => readFileSync(join(from, name), 'utf8')
  const write = (name: string, text: string) => writeFileSync(join(to, name), text)
  mkdirSync(to, { recursive: true })
  write('example-test.yaml', read('example-test.yaml'))
  const { engines, level = 'standard', onVirus = 'quarantine' } = options
  if (engines !== undefined) write('filter.yaml', filterPool(engines))
  const edge = options.sharing === true ? 'edge:\n    logins:\n      sharing: true\n' : 'edge:\n'
  const node = (name: string) =>
    read(name)
      .replace('edge:\n', edge)
      .replace(/^ {4}filter:\n(?: {6}.*\n)+/m, (filter) =>
        engines === undefined
          ? ''
          : `${filter.replace(/^ *onVirus:.*\n/m, '')}      level: "${level}"\n      onVirus: ${onVirus}\n`,
      )
  const spec = options.spec ?? ''
  const lines = /^giveBackAfter:/m.test(spec) ? spec : `giveBackAfter: never\n${spec}`
  for (const name of options.small ? ['n1.yaml'] : ['n1.yaml', 'n2.yaml']) {
    write(name, node(name) + lines.replace(/^(?=.)/gm, '  '))
  }
  const accounts = read('accounts.yaml').split(/^(?= {2}- )/m)
  write('accounts.yaml', accounts.filter((one) => !options.small || !/home: n2/.test(one)).join(''))
  return to
}

/** JSON is YAML. The name is the one that the demo MailNodes ask. */
function filterPool(engines: readonly PoolEngine[]): string {
  return JSON.stringify({
    apiVersion: 'twinpost.io/v1alpha1',
    kind: 'FilterPool',
    metadata: { name: 'default' },
    spec: { replicas: 2, engines },
  })
}
