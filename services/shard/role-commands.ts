/**
 * An administrator's commands to one replica, carried out. Never rejects: the words say what came of it and what to do next.
 * A fence holds until `unfence`, also over a restart of the process: it is a file in the replica directory, written before the
 * command is answered.
 */
import { errorMessage } from '#lib/errors/coded-error.ts'
import type { RoleCommand, RoleResult } from '#lib/frames/role-command.ts'
import { type ShardName, splitShardName } from '#lib/mail/types.ts'
import type { Disk } from '#lib/ports/disk.ts'
import type { ReplicaMachine } from './replication/machine.ts'
import type { ForceProof } from './roles/force.ts'

const FENCE_FILE = 'fenced'

/** The mark in a replica directory that keeps it from becoming primary. */
export class FenceMark {
  readonly #disk: Disk
  readonly #folder: string

  constructor(disk: Disk, folder: string) {
    this.#disk = disk
    this.#folder = folder
  }

  async stands(): Promise<boolean> {
    return (await this.#disk.list(this.#folder)).includes(FENCE_FILE)
  }

  /** When it resolves, the mark survives a crash. */
  async set(): Promise<void> {
    if (await this.stands()) return
    const file = await this.#disk.create(`${this.#folder}/${FENCE_FILE}`)
    await file.close()
    await this.#disk.syncDirectory(this.#folder)
  }

  async remove(): Promise<void> {
    if (!(await this.stands())) return
    await this.#disk.remove(`${this.#folder}/${FENCE_FILE}`)
    await this.#disk.syncDirectory(this.#folder)
  }
}

export interface CommandedReplica {
  readonly shard: ShardName
  readonly pod: string
  readonly machine: Pick<ReplicaMachine, 'switchover' | 'fence' | 'unfence' | 'promoteByForce' | 'restoreLedger'>
  readonly mark: FenceMark
}

export async function runRoleCommand(replica: CommandedReplica, command: RoleCommand): Promise<RoleResult> {
  const { shard, pod, machine, mark } = replica
  try {
    switch (command.kind) {
      case 'switchover':
        await machine.switchover()
        return { done: true, words: `${shard} was handed over to the other member` }
      case 'fence':
        return await fence(replica)
      case 'unfence':
        await mark.remove()
        machine.unfence()
        return { done: true, words: `${pod} may be primary of ${shard} again` }
      case 'restore-ledger': {
        const why = await machine.restoreLedger({ self: pod, other: otherPod(replica) })
        return { done: true, words: `The ledger of ${shard} was made anew: ${why}` }
      }
      case 'promote':
        return { done: true, words: await promote(replica, command.otherStopped, command.seenStopped) }
      default:
        return command satisfies never
    }
  } catch (error) {
    return { done: false, words: errorMessage(error) }
  }
}

/** All or nothing: a fenced primary that nobody can relieve would serve on, and after a restart nobody would. */
async function fence({ shard, pod, machine, mark }: CommandedReplica): Promise<RoleResult> {
  await mark.set()
  try {
    await machine.fence()
  } catch (error) {
    machine.unfence()
    await mark.remove()
    return {
      done: false,
      words: `${pod} stays primary of ${shard} and is not fenced, because nobody can take over: ${errorMessage(error)}`,
    }
  }
  return { done: true, words: `${pod} will not be primary of ${shard} until it is unfenced` }
}

/** Rule 11. @throws {CommandError} with the reason why not */
async function promote(replica: CommandedReplica, otherStopped: string, seenStopped: boolean): Promise<string> {
  const { shard, pod, machine } = replica
  const proof: ForceProof = seenStopped ? { kind: 'fenced', by: 'operator' } : { kind: 'typed', member: otherStopped }
  const mayLose = await machine.promoteByForce(proof, otherPod(replica))
  return `${pod} is primary of ${shard} by force. Lost is ${mayLose}`
}

function otherPod({ shard, pod }: CommandedReplica): string {
  return `${splitShardName(shard).mailNode}-${1 - Number(pod.at(-1))}`
}
