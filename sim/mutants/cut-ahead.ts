/** A primary that was just started makes the mirror cut what it does not have itself. */
export function mirrorIsAhead(): boolean {
  return false
}
