/**
 * How an object of the archive is written: compressed with zstd, then encrypted with AES-256-GCM under a key that is derived from the
 * secret of the array. The name is part of what is authenticated, so no object can stand in for another one.
 *
 *     magic `TPA1` 4 | format u16 | flags u16 (1: encrypted) | key id 8 | nonce 12 | content | tag 16
 *
 * Without a secret the flags are zero, key id and nonce too, and the tag is a SHA-256 cut to 16 bytes: it tells damage, not forgery.
 */
import { createCipheriv, createDecipheriv, hash, hkdfSync, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import type { Random } from '#lib/ports/random.ts'
import { BackupError } from './errors.ts'

const MAGIC = 0x5450_4131 // 'TPA1'
const FORMAT_VERSION = 1
const ENCRYPTED = 1
const KEY_ID_AT = 8
const KEY_ID_BYTES = 8
const NONCE_AT = KEY_ID_AT + KEY_ID_BYTES
const NONCE_BYTES = 12
const HEADER_BYTES = NONCE_AT + NONCE_BYTES
const TAG_BYTES = 16
/** No object is larger when it is opened: those that this program writes have some MiB. */
const PLAIN_BYTES_MAX = 64 * 1024 * 1024
export const SECRET_BYTES_MIN = 16

const compress = promisify(zstdCompress)
const decompress = promisify<Buffer, { maxOutputLength: number }, Buffer>(zstdDecompress)

export class Seal {
  readonly #key: Buffer | null
  readonly #keyId: Buffer
  readonly #random: Random

  /** @param secret At least 16 bytes; null: objects are not encrypted. @throws {BackupError} BACKUP_KEY */
  constructor(secret: Uint8Array | null, random: Random) {
    if (secret !== null && secret.length < SECRET_BYTES_MIN) {
      throw new BackupError(
        'BACKUP_KEY',
        `Cannot use a secret of ${secret.length} bytes: give at least ${SECRET_BYTES_MIN}`,
      )
    }
    this.#key = secret && Buffer.from(hkdfSync('sha256', secret, '', 'twinpost backup', 32))
    this.#keyId = this.#key ? hash('sha256', this.#key, 'buffer').subarray(0, KEY_ID_BYTES) : Buffer.alloc(KEY_ID_BYTES)
    this.#random = random
  }

  async close(name: string, plain: Uint8Array): Promise<Buffer> {
    const packed = await compress(plain)
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt32BE(MAGIC, 0)
    header.writeUInt16BE(FORMAT_VERSION, 4)
    if (this.#key === null) return Buffer.concat([header, packed, digest(name, header, packed)])
    header.writeUInt16BE(ENCRYPTED, 6)
    this.#keyId.copy(header, KEY_ID_AT)
    header.set(this.#random.bytes(NONCE_BYTES), NONCE_AT)
    const cipher = createCipheriv('aes-256-gcm', this.#key, header.subarray(NONCE_AT)).setAAD(bound(name, header))
    return Buffer.concat([header, cipher.update(packed), cipher.final(), cipher.getAuthTag()])
  }

  /** @throws {BackupError} BACKUP_DAMAGED, BACKUP_KEY, BACKUP_FORMAT_NEWER */
  async open(name: string, bytes: Uint8Array): Promise<Buffer> {
    const sealed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (sealed.length < HEADER_BYTES + TAG_BYTES || sealed.readUInt32BE(0) !== MAGIC) throw damaged(name)
    const [version, flags] = [sealed.readUInt16BE(4), sealed.readUInt16BE(6)]
    if (version !== FORMAT_VERSION || (flags & ~ENCRYPTED) !== 0) {
      throw new BackupError('BACKUP_FORMAT_NEWER', `Cannot read ${name}: it has format ${version} with flags ${flags}`)
    }
    const header = sealed.subarray(0, HEADER_BYTES)
    const content = sealed.subarray(HEADER_BYTES, sealed.length - TAG_BYTES)
    const tag = sealed.subarray(sealed.length - TAG_BYTES)
    const packed = flags === ENCRYPTED ? this.#decrypt(name, header, content, tag) : content
    if (flags !== ENCRYPTED && !timingSafeEqual(digest(name, header, content), tag)) throw damaged(name)
    try {
      return await decompress(packed, { maxOutputLength: PLAIN_BYTES_MAX })
    } catch (cause) {
      throw damaged(name, cause)
    }
  }

  #decrypt(name: string, header: Buffer, content: Buffer, tag: Buffer): Buffer {
    const keyId = header.subarray(KEY_ID_AT, NONCE_AT)
    if (this.#key === null || !keyId.equals(this.#keyId)) {
      throw new BackupError('BACKUP_KEY', `Cannot open ${name}: give the secret that it was written with`)
    }
    const decipher = createDecipheriv('aes-256-gcm', this.#key, header.subarray(NONCE_AT), { authTagLength: TAG_BYTES })
    decipher.setAAD(bound(name, header)).setAuthTag(tag)
    try {
      return Buffer.concat([decipher.update(content), decipher.final()])
    } catch (cause) {
      throw damaged(name, cause)
    }
  }
}

const bound = (name: string, header: Buffer): Buffer => Buffer.concat([header, Buffer.from(name)])

function digest(name: string, header: Buffer, content: Buffer): Buffer {
  return hash('sha256', Buffer.concat([bound(name, header), content]), 'buffer').subarray(0, TAG_BYTES)
}

function damaged(name: string, cause?: unknown): BackupError {
  return new BackupError('BACKUP_DAMAGED', `Cannot use ${name}: it is not what was written`, { cause })
}
