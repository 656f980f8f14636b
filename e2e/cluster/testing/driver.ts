/**
 * Where the cluster comes from, and how its machines are broken. Three ways, tried in this order: the cluster of a KUBECONFIG
 * that is set (nothing of its machines can be broken: those cases are left out, and the table says so), kind with Docker, and the
 * project's own of tools/kube. Tests use only what stands here and the API.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

const REPOSITORY = resolve(import.meta.dirname, '../../..')
const TOOLS = join(REPOSITORY, 'tools/kube')
const KIND_CLUSTER = 'twinpost'
const RUN_MS = 1_200_000

export type NodeFault = 'cut' | 'heal' | 'freeze' | 'thaw' | 'crash' | 'boot'

export interface Driver {
  readonly name: 'kubeconfig' | 'kind' | 'tools/kube'
  readonly kubeconfig: string
  /** Images are there already, or have to be loaded from docker archives. */
  loadImages(archives: readonly string[]): Promise<void>
  /** Whether `fault`, `killContainer` and `apiServer` can do anything here. */
  readonly breaks: boolean
  fault(what: NodeFault, node: string): Promise<void>
  /** Kills the first process of a container with KILL; Kubernetes has no part in it. */
  kill(node: string, containerId: string): Promise<void>
  /** Stops or continues all processes of a container. */
  freeze(node: string, containerId: string, frozen: boolean): Promise<void>
  apiServer(what: 'away' | 'back'): Promise<void>
  /** Runs a program in the network of a node, also of one that is cut off. @returns what it printed. */
  inNode(node: string, command: readonly string[]): Promise<string>
}

/** @returns Null, with the reason in words, where no cluster can be had. */
export async function findDriver(): Promise<Driver | string> {
  const given = process.env['TWINPOST_E2E_KUBECONFIG'] ?? process.env['KUBECONFIG']
  const folder = kubeFolder()
  const own = join(folder, 'run/admin.kubeconfig')
  if (given !== undefined && given !== own) return givenCluster(given)
  if (existsSync(own)) return ownCluster(own)
  if (await works('kind', ['get', 'clusters'])) return kindCluster()
  return 'no cluster: set KUBECONFIG, install kind and docker, or run make kube-tools KUBE=all and make kube-up NODES=3'
}

function kubeFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return process.env['TWINPOST_KUBE_DIR'] ?? join(cache, 'twinpost-kube')
}

function givenCluster(kubeconfig: string): Driver {
  const cannot = async () => {
    throw new Error('Nothing of a given cluster is broken by these tests')
  }
  return {
    name: 'kubeconfig',
    kubeconfig,
    loadImages: async () => {}, // TWINPOST_REGISTRY names images that this cluster can pull
    breaks: false,
    fault: cannot,
    kill: cannot,
    freeze: cannot,
    apiServer: cannot,
    inNode: cannot,
  }
}

function ownCluster(kubeconfig: string): Driver {
  const folder = kubeFolder()
  process.env['PATH'] = `${join(folder, 'bin')}:${process.env['PATH']}`
  const number = (node: string) => node.replace(/^kn/, '')
  const pidOf = async (node: string, containerId: string) => {
    const socket = join(folder, 'run', node, 'containerd.sock')
    const tasks = await run('ctr', ['-a', socket, '-n', 'k8s.io', 'tasks', 'list'])
    const pid = tasks
      .split('\n')
      .find((line) => line.startsWith(containerId))
      ?.split(/\s+/)[1]
    if (pid === undefined) throw new Error(`No process of container ${containerId} on ${node}`)
    return Number(pid)
  }
  return {
    name: 'tools/kube',
    kubeconfig,
    async loadImages(archives) {
      await run(join(TOOLS, 'load.sh'), archives)
    },
    breaks: true,
    async fault(what, node) {
      await run(join(TOOLS, 'node-fault.sh'), [what, number(node)])
    },
    async kill(node, containerId) {
      process.kill(await pidOf(node, containerId), 'SIGKILL')
    },
    async freeze(node, containerId, frozen) {
      process.kill(await pidOf(node, containerId), frozen ? 'SIGSTOP' : 'SIGCONT')
    },
    async apiServer(what) {
      await run(join(TOOLS, 'control-plane.sh'), [what === 'away' ? 'pause' : 'resume'])
    },
    inNode: (node, command) => run('nsenter', [`--net=/run/netns/${node}`, ...command]),
  }
}

async function kindCluster(): Promise<Driver> {
  const kubeconfig = join(REPOSITORY, '.cache/kind.kubeconfig')
  if (!(await run('kind', ['get', 'clusters'])).split('\n').includes(KIND_CLUSTER)) {
    const config = join(REPOSITORY, 'e2e/cluster/kind.yaml')
    await run('kind', ['create', 'cluster', '--name', KIND_CLUSTER, '--config', config, '--wait', '120s'])
  }
  await run('kind', ['export', 'kubeconfig', '--name', KIND_CLUSTER, '--kubeconfig', kubeconfig])
  const controlPlane = `${KIND_CLUSTER}-control-plane`
  const inside = (node: string, ...command: string[]) => run('docker', ['exec', node, ...command])
  const pidOf = async (node: string, containerId: string) => {
    const text = await inside(node, 'crictl', 'inspect', '-o', 'json', containerId)
    return String(JSON.parse(text).info.pid)
  }
  const faults: Record<NodeFault, (node: string) => Promise<unknown>> = {
    cut: (node) => run('docker', ['network', 'disconnect', 'kind', node]),
    heal: (node) => run('docker', ['network', 'connect', 'kind', node]),
    freeze: (node) => run('docker', ['pause', node]),
    thaw: (node) => run('docker', ['unpause', node]),
    crash: (node) => run('docker', ['kill', node]),
    boot: (node) => run('docker', ['start', node]),
  }
  return {
    name: 'kind',
    kubeconfig,
    async loadImages(archives) {
      for (const archive of archives) await run('kind', ['load', 'image-archive', '--name', KIND_CLUSTER, archive])
    },
    breaks: true,
    async fault(what, node) {
      await faults[what](node)
    },
    async kill(node, containerId) {
      await inside(node, 'kill', '-9', await pidOf(node, containerId))
    },
    async freeze(node, containerId, frozen) {
      await inside(node, 'kill', frozen ? '-STOP' : '-CONT', await pidOf(node, containerId))
    },
    async apiServer(what) {
      const signal = what === 'away' ? '-STOP' : '-CONT'
      await inside(controlPlane, 'pkill', signal, 'kube-apiserver')
    },
    inNode: (node, command) => inside(node, ...command),
  }
}

async function works(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  )
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((done, failed) => {
    execFile(command, args, { timeout: RUN_MS, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) failed(new Error(`${command} ${args.join(' ')}: ${stderr.trim() || error.message}`))
      else done(stdout)
    })
  })
}
