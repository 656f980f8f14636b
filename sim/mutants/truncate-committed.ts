/** A mirror cuts whatever the primary lacks, also what it knows to be committed. */
export function mayCutAbove(): boolean {
  return true
}
