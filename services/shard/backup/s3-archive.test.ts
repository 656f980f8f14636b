/** Against a bucket of the test's own, which checks each signature by the published algorithm, in pages of three names. */
import assert from 'node:assert/strict'
import { createHmac, hash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { S3Archive, type S3Options } from './s3-archive.ts'

const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const REGION = 'eu-test-1'
const PAGE = 3

const objects = new Map<string, Buffer>()
const server = createServer((request, response) => void serve(request, response))
let options: S3Options
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  options = { endpoint: `http://127.0.0.1:${port}/`, bucket: 'mail', prefix: 'array one', region: REGION, ...KEY }
})
after(() => {
  server.closeAllConnections()
  server.close()
})

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>))
  const url = new URL(request.url ?? '', 'http://bucket')
  const answer = (status: number, text: string | Buffer = '') => response.writeHead(status).end(text)
  if (!isSigned(request, url, body)) return void answer(403, '<Error><Code>SignatureDoesNotMatch</Code></Error>')
  const key = decodeURIComponent(url.pathname).slice('/mail/'.length)
  if (url.searchParams.has('list-type')) return void answer(200, listed(url.searchParams))
  if (request.method === 'PUT') objects.set(key, body)
  if (request.method === 'DELETE') objects.delete(key)
  const found = objects.get(key)
  if (request.method === 'GET' && found === undefined) return void answer(404, '<Error><Code>NoSuchKey</Code></Error>')
  answer(200, request.method === 'GET' ? found : '')
}

/** ListObjectsV2 with a delimiter. */
function listed(query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const names = [...objects.keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length).replace(/\/.*/, '/'))
  const all = [...new Set(names)].sort()
  const from = Number(query.get('continuation-token') ?? 0)
  const items = all.slice(from, from + PAGE).map((name) => {
    const key = (prefix + name).replaceAll('&', '&amp;')
    return name.endsWith('/')
      ? `<CommonPrefixes><Prefix>${key}</Prefix></CommonPrefixes>`
      : `<Contents><Key>${key}</Key></Contents>`
  })
  const next = from + PAGE < all.length ? `<NextContinuationToken>${from + PAGE}</NextContinuationToken>` : ''
  return `<ListBucketResult><Prefix>${prefix}</Prefix>${items.join('')}${next}</ListBucketResult>`
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
function isSigned(request: IncomingMessage, url: URL, body: Buffer): boolean {
  const { authorization = '' } = request.headers
  const [, scope = '', signed = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? []
  const payload = String(request.headers['x-amz-content-sha256'])
  if (payload !== hash('sha256', body, 'hex')) return false
  const escaped = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  const query = [...url.searchParams]
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .sort()
    .join('&')
  const headers = signed
    .split(';')
    .map((name) => `${name}:${String(request.headers[name]).trim()}\n`)
    .join('')
  const canonical = [request.method, url.pathname, query, headers, signed, payload].join('\n')
  const text = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, hash('sha256', canonical, 'hex')].join('\n')
  const key = scope
    .split('/')
    .reduce<string | Buffer>(
      (secret, part) => createHmac('sha256', secret).update(part).digest(),
      `AWS4${KEY.secretAccessKey}`,
    )
  return createHmac('sha256', key).update(text).digest('hex') === signature
}

test('Objects come back as they were put, and are listed level by level over many pages', async () => {
  const archive = new S3Archive(options)
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i & 0xff))
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `n1-0/gen/${name}.piece`)
  for (const name of names) await archive.put(name, bytes)
  await archive.put('n2-0/other & more/x', Buffer.from('x'))
  assert.deepEqual(Buffer.from(await archive.get('n1-0/gen/c.piece')), bytes)
  assert.deepEqual(
    await archive.list('n1-0/gen'),
    names.map((name) => name.slice('n1-0/gen/'.length)),
  )
  assert.deepEqual(await archive.list('n1-0'), ['gen'])
  assert.deepEqual(await archive.list('n2-0'), ['other & more'])
  assert.deepEqual((await archive.list('')).sort(), ['n1-0', 'n2-0'])
  assert.deepEqual(await archive.list('nothing'), [])
  assert.ok([...objects.keys()].every((key) => key.startsWith('array one/')))
  await archive.remove('n1-0/gen/a.piece')
  await archive.remove('n1-0/gen/a.piece')
  await assert.rejects(archive.get('n1-0/gen/a.piece'), { code: 'BACKUP_MISSING' })
})

test('A wrong key and a bucket that is away are told of', async () => {
  const wrong = new S3Archive({ ...options, secretAccessKey: 'another' })
  await assert.rejects(wrong.put('x', Buffer.from('x')), {
    code: 'BACKUP_STORE',
    message: /403 SignatureDoesNotMatch to PUT/,
  })
  const away = new S3Archive({ ...options, endpoint: 'http://127.0.0.1:1' })
  await assert.rejects(away.list(''), { code: 'BACKUP_STORE', message: /Cannot reach the archive/ })
})
