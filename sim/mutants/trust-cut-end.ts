/** A replica whose end was cut at the start goes on as if nothing had been there. */
export * from '#shard/roles/log-end.ts'

export function mayLeaveOtherBehind(): boolean {
  return true
}
