/** Reads the evidence that our own filters hand over among the changes of a milter. */
import { decodeEvidence, EVIDENCE_HEADER, type Evidence } from '#lib/filter/evidence.ts'
import type { Edit } from '#lib/milter/mod.ts'

const NAME = EVIDENCE_HEADER.toLowerCase()

export function evidenceOf(edits: readonly Edit[]): Evidence[] {
  return edits.flatMap((edit) =>
    edit.kind === 'add-header' && edit.name.toLowerCase() === NAME ? (decodeEvidence(edit.value) ?? []) : [],
  )
}
