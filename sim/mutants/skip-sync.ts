/** Reports writes as durable that only the page cache has. */
export * from '#shard/log/durability.ts'

export async function syncFile(): Promise<void> {}
