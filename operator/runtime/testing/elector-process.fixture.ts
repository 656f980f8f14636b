/**
 * One elector as a process of its own, so that a test can freeze it: writes a line for each thing that happens, and, while it
 * believes to lead, tries a change of a ConfigMap every few milliseconds. Arguments: kubeconfig, identity, namespace.
 */
import { KubeConfig } from '@kubernetes/client-node'
import { nodeClock } from '#lib/platform/node-clock.ts'
import { createApiClient } from '../api-client.ts'
import { kubeErrorCode } from '../api-error.ts'
import { openConnection } from '../connection.ts'
import { Elector } from '../elector.ts'
import { CONFIG_MAPS } from './api-access.ts'
import { FAST_TIMES } from './fast-times.ts'

const [kubeconfig = '', identity = '', namespace = ''] = process.argv.slice(2)
const say = (what: string) => process.stdout.write(`${what}\n`)
const connection = openConnection({
  load() {
    const config = new KubeConfig()
    config.loadFromFile(kubeconfig)
    return config
  },
  clock: nodeClock,
  userAgent: 'twinpost-test',
})
const elector = new Elector({
  client: createApiClient({ connection, timeoutMs: FAST_TIMES.renewDeadlineMs / 2 }),
  namespace,
  name: 'election',
  identity,
  clock: nodeClock,
  started: () => say('leads'),
  lost: (reason) => say(`lost ${reason}`),
  times: FAST_TIMES,
})
const fenced = createApiClient({ connection, mayWrite: () => elector.leading })
elector.start()

const write = () => {
  const wanted = { metadata: { name: 'written', namespace }, data: { by: identity } }
  fenced
    .apply(CONFIG_MAPS, wanted, { fieldManager: 'elector', force: true })
    .then(
      () => say('wrote'),
      (error: unknown) => kubeErrorCode(error) !== 'KUBE_NOT_LEADER' && say(`failed ${String(error)}`),
    )
    .finally(() => nodeClock.after(5, write))
}
write()
process.on('SIGTERM', () => {
  elector.stop().then(() => process.exit(0))
})
