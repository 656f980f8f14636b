/** An archive by its name: a folder, or `s3://BUCKET/PREFIX`. */
import { basename, dirname, resolve } from 'node:path'
import { NodeDisk } from '#lib/platform/node-disk.ts'
import { type Archive, FolderArchive } from './archive.ts'
import { BackupError } from './errors.ts'
import { S3Archive } from './s3-archive.ts'

export interface BucketAccess {
  /** Null: that of Amazon in the region. */
  readonly endpoint: string | null
  readonly region: string
  readonly accessKeyId: string | null
  readonly secretAccessKey: string | null
}

export const REGION_DEFAULT = 'us-east-1'

/** @throws {BackupError} BACKUP_STORE for a bucket without a name or without keys */
export function openArchive(name: string, access: BucketAccess): Archive {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]*)\/?(.*)$/.exec(name) ?? []
  if (bucket === undefined) {
    const folder = resolve(name)
    return new FolderArchive(new NodeDisk(dirname(folder)), basename(folder))
  }
  const { region, accessKeyId, secretAccessKey } = access
  if (bucket === '' || accessKeyId === null || secretAccessKey === null) {
    throw new BackupError('BACKUP_STORE', `Cannot use ${name}: give a bucket, an access key and its secret`)
  }
  const endpoint = access.endpoint ?? `https://s3.${region}.amazonaws.com`
  return new S3Archive({ endpoint, bucket, prefix: prefix.replace(/\/+$/, ''), region, accessKeyId, secretAccessKey })
}
