/**
 * The network between the two members of a MailNode, under a spec's control: each pod gets a hosts file of its own that leads
 * to the other member through relays. Edges of other MailNodes, the ledger and the command line keep their direct ways.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { type Carriage, type Direction, TcpRelay } from '#lib/link/testing/tcp-relay.ts'
import type { TestArray } from './array.ts'
import { pairInSync, waitFor } from './pour.ts'

const SHARD_PORT_BASE = 7100
const SHARDS = 2
const MEMBERS = [0, 1] as const

export class PairNetwork {
  readonly #array: TestArray
  readonly #mailNode: string
  /** By the member that they lead to. */
  readonly #relays: readonly (readonly TcpRelay[])[]

  private constructor(array: TestArray, mailNode: string, relays: readonly (readonly TcpRelay[])[]) {
    this.#array = array
    this.#mailNode = mailNode
    this.#relays = relays
  }

  /** Puts relays between the members and starts their processes again, since these have direct connections. */
  static async between(array: TestArray, mailNode: string): Promise<PairNetwork> {
    const relays: TcpRelay[][] = []
    for (const member of MEMBERS) {
      const address = array.podAddress(`${mailNode}-${member}`)
      const host = address.replace(/\.\d+\.\d+$/, `.240.${member + 1}`)
      const ports = Array.from({ length: SHARDS }, (_, index) => SHARD_PORT_BASE + index)
      relays.push(await Promise.all(ports.map((port) => TcpRelay.listen({ host, port }, { host: address, port }))))
      const name = `${mailNode}-${member}.${mailNode}.default.svc`
      writeFileSync(array.hostsFileOf(`${mailNode}-${1 - member}`), `${host} ${name}\n`)
    }
    const network = new PairNetwork(array, mailNode, relays)
    await network.#restart()
    return network
  }

  /** @param from Only what this pod sends is concerned; without it both ways. */
  set(carriage: Carriage, from: string | null = null): void {
    for (const member of MEMBERS) {
      for (const relay of this.#relays[member] ?? []) {
        const sentByDialler: Direction = 'there'
        if (from === null) relay.set(carriage)
        else relay.set(carriage, from === `${this.#mailNode}-${member}` ? 'back' : sentByDialler)
      }
    }
  }

  /** Nothing that `from` sends arrives any more; without it nothing at all, in neither direction. */
  cut(from: string | null = null): void {
    this.set({ kind: 'cut' }, from)
  }

  heal(): void {
    this.set({ kind: 'open' })
  }

  /** How many connections the members made through the relays so far. */
  get connections(): number {
    return this.#relays.flat().reduce((sum, relay) => sum + relay.connections, 0)
  }

  /** Gives the members their direct ways back at the next connection. */
  async remove(): Promise<void> {
    for (const member of MEMBERS) rmSync(this.#array.hostsFileOf(`${this.#mailNode}-${member}`), { force: true })
    await Promise.all(this.#relays.flat().map((relay) => relay.close()))
  }

  async #restart(): Promise<void> {
    const { processes, shards } = await this.#array.status()
    const concerned = processes.filter(({ pod }) => pod.startsWith(`${this.#mailNode}-`))
    for (const { pid } of concerned) process.kill(pid, 'SIGKILL')
    const old = new Set(concerned.map(({ pid }) => pid))
    await waitFor('the members to be started again', async () => {
      const now = (await this.#array.status()).processes.filter(({ pod }) => pod.startsWith(`${this.#mailNode}-`))
      return now.every(({ pid, state }) => state === 'running' && !old.has(pid)) ? true : null
    })
    for (const { shard } of shards) if (shard.startsWith(`${this.#mailNode}/`)) await pairInSync(this.#array, shard)
  }
}
