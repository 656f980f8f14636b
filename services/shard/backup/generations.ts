/** Which backups an archive holds: lists its folders and reads the names in them. */
import type { Archive } from './archive.ts'
import { type Generation, readGeneration, shardFolder } from './catalogue.ts'

/** Generations of a shard, oldest first. */
export async function listGenerations(archive: Archive, shard: string): Promise<Generation[]> {
  const folder = shardFolder(shard)
  const found: Generation[] = []
  for (const name of (await archive.list(folder)).sort()) {
    const generation = readGeneration(name, await archive.list(`${folder}/${name}`))
    if (generation !== null) found.push(generation)
  }
  return found
}

/** Shards that an archive knows. */
export async function listShards(archive: Archive): Promise<string[]> {
  const names = await archive.list('')
  return names.flatMap((name) => (/^[a-z][a-z0-9-]*-\d+$/.test(name) ? [name.replace(/-(\d+)$/, '/$1')] : [])).sort()
}
