/**
 * Writes the bill of materials of an image (SPDX 2.3, JSON) to standard output: the Debian packages and npm packages that are really in
 * it, read from the archive itself. Same image, same bytes.
 *
 *     node tools/images/sbom.ts ARCHIVE.tar TARGET VERSION
 */
import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { ImageArchive } from './archive.ts'

interface Package {
  readonly name: string
  readonly version: string
  readonly license: string
  /** https://github.com/package-url/purl-spec */
  readonly purl: string
}

/** Packages that dpkg says are installed. */
export function debianPackages(status: string, architecture: string): Package[] {
  return status.split('\n\n').flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1]
    const [name, version] = [field('Package'), field('Version')]
    if (name === undefined || version === undefined || !/^install ok installed$/.test(field('Status') ?? '')) return []
    const arch = field('Architecture') ?? architecture
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${arch}`
    return [{ name, version, license: 'NOASSERTION', purl }]
  })
}

/** Packages of npm by their package.json, wherever in the image. */
export function npmPackages(image: Pick<ImageArchive, 'files' | 'text'>): Package[] {
  const found = new Map<string, Package>()
  for (const path of image.files.keys()) {
    if (!/(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path)) continue
    const { name, version, license } = JSON.parse(image.text(path) ?? '{}') as Record<string, unknown>
    if (typeof name !== 'string' || typeof version !== 'string') continue
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
    found.set(purl, { name, version, license: typeof license === 'string' ? license : 'NOASSERTION', purl })
  }
  return [...found.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1))
}

/** @param created Time of the document: a build that is to be repeated says which. */
export function spdx(image: ImageArchive, target: string, version: string, created: string): string {
  const packages = [
    ...debianPackages(image.text('var/lib/dpkg/status') ?? '', image.config.architecture),
    ...npmPackages(image),
  ]
  const id = (one: Package) => `SPDXRef-${createHash('sha256').update(one.purl).digest('hex').slice(0, 16)}`
  const listed = packages.map((one) => ({
    SPDXID: id(one),
    name: one.name,
    versionInfo: one.version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: one.license,
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: one.purl }],
  }))
  const content = createHash('sha256').update(JSON.stringify(listed)).digest('hex')
  const root = {
    SPDXID: 'SPDXRef-image',
    name: target,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: 'Apache-2.0',
  }
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${target}-${version}`,
    documentNamespace: `https://twinpost.io/sbom/${target}-${version}-${content.slice(0, 16)}`,
    creationInfo: { created, creators: ['Tool: twinpost-sbom'] },
    packages: [root, ...listed],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: root.SPDXID },
      ...listed.map((one) => ({
        spdxElementId: root.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: one.SPDXID,
      })),
    ],
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [archive = '', target = '', version = ''] = process.argv.slice(2)
  const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? '1767225600')
  const image = new ImageArchive(archive)
  process.stdout.write(spdx(image, target, version, new Date(epoch * 1_000).toISOString().replace(/\.\d{3}/, '')))
  image.close()
}
