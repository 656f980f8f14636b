/** Rule 11 broken: after a recovery by force UIDs go on where this member left off, as if the lost one had given out none since. */
export * from '#shard/roles/recovery-jump.ts'

export function uidsToPass(): number {
  return 0
}
