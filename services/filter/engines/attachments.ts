/**
 * Attachments by what they are, not by what they are called: programs and scripts, documents with macros, names that deceive,
 * archives that hide their content. Each is a finding; what follows is the policy's.
 */
import { fileTypeFromBuffer } from 'file-type'
import type { Finding } from '#lib/filter/evidence.ts'
import type { Letter } from '../letter/letter.ts'
import type { Engine } from '../scan/engine.ts'

/** What runs when it is opened on the systems that people have. */
const PROGRAM_EXTENSIONS: ReadonlySet<string> = new Set(
  `ade adp apk app appx bat chm cmd com cpl dll dmg exe hta inf ins iso jar js jse jnlp lib lnk mde msc msi msix msp mst nsh pif ps1 psm1
  reg scf scr sct settingcontent-ms shb sys url vb vbe vbs vhd vhdx vxd wsc wsf wsh xll`.split(/\s+/),
)
/** The same by content (names of file-type). */
const PROGRAM_TYPES: ReadonlySet<string> = new Set([
  'exe',
  'elf',
  'macho',
  'lnk',
  'msi',
  'apk',
  'jar',
  'iso',
  'dmg',
  'chm',
  'class',
  'dex',
])
/** Extensions that people take for harmless and put before the true one. */
const HARMLESS = /\.(?:pdf|docx?|xlsx?|pptx?|odt|txt|jpe?g|png|gif|html?|csv|zip)$/i
/** Right-to-left override and its like: `exe.fdp` reads as `pdf.exe` (Unicode Technical Report 36). */
const DIRECTION_MARKS = /[\u202a-\u202e\u2066-\u2069]/
/** MS-CFB: Office before 2007, and protected documents since. */
const COMPOUND_FILE = Buffer.from('d0cf11e0a1b11ae1', 'hex')
/** The stream that every VBA project has (MS-OVBA), as directories of compound files write it: UTF-16. */
const VBA_PROJECT = Buffer.from('_VBA_PROJECT', 'utf16le')
/** Where Office since 2007 keeps it. */
const VBA_PART = /\/(?:word|xl|ppt)\/vbaProject\.bin$/i

export interface LookedAt {
  readonly path: string
  readonly content: Buffer | null
}

export class AttachmentEngine implements Engine {
  readonly name: string
  readonly ofContent = true
  readonly concurrency: number
  readonly bytesMax: number
  readonly timeoutMs: number

  constructor(options: {
    readonly name: string
    readonly concurrency: number
    readonly bytesMax: number
    readonly timeoutMs: number
  }) {
    this.name = options.name
    this.concurrency = options.concurrency
    this.bytesMax = options.bytesMax
    this.timeoutMs = options.timeoutMs
  }

  async scan(letter: Letter): Promise<readonly Finding[]> {
    const { files, troubles } = await letter.archives
    const looked: LookedAt[] = [
      ...letter.attachments.map(({ filename, content }) => ({ path: filename, content })),
      ...files,
    ]
    const names = new Set<string>()
    for (const { kind, path } of troubles) names.add(`archive-${kind} ${shown(path)}`)
    for (const one of looked) for (const mark of await marksOf(one)) names.add(`${mark} ${shown(one.path)}`)
    return [...names].map((name) => ({ kind: 'attachment', name, weight: 1 }))
  }
}

/** What is wrong with one file. */
export async function marksOf({ path, content }: LookedAt): Promise<string[]> {
  const marks: string[] = []
  const name = path.slice(path.lastIndexOf('/') + 1).trimEnd()
  const extension = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? ''
  const type = content === null ? undefined : (await fileTypeFromBuffer(content))?.ext
  if (PROGRAM_EXTENSIONS.has(extension) || (type !== undefined && PROGRAM_TYPES.has(type))) marks.push('program')
  if (PROGRAM_EXTENSIONS.has(extension) && HARMLESS.test(name.slice(0, -extension.length - 1)))
    marks.push('double-extension')
  if (DIRECTION_MARKS.test(name)) marks.push('turned-name')
  if (VBA_PART.test(path) || (content?.subarray(0, 8).equals(COMPOUND_FILE) && content.includes(VBA_PROJECT)))
    marks.push('macro')
  return marks
}

const shown = (path: string) => path.replace(/\p{C}/gu, '?').slice(-80)
