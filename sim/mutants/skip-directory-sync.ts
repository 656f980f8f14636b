/** Relies on names that no folder has on disk. */
export * from '#shard/log/durability.ts'

export async function syncNames(): Promise<void> {}
