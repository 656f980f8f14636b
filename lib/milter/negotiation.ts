/**
 * What both ends agree on when a connection begins. The server offers all that it can; the filter answers with what it will use,
 * which must be a part of the offer. Old ends know fewer flags: those of a newer version are not offered to them.
 */
import type { Negotiation } from './commands.ts'
import { MilterError } from './packets.ts'
import { ACTIONS_V2, STEPS_ALL, STEPS_V2, VERSION, VERSION_MIN } from './protocol.ts'

export type Agreement = Negotiation

/** What the filter's answer comes to. @throws {MilterError} MILTER_NOT_AGREED: it is more than was offered. */
export function agree(offer: Negotiation, answer: Negotiation): Agreement {
  if (answer.version < VERSION_MIN || answer.version > offer.version) {
    throw new MilterError(
      'MILTER_NOT_AGREED',
      `Cannot speak version ${answer.version} of the protocol: ${VERSION_MIN} to ${offer.version} are known`,
    )
  }
  const actions = knownActions(answer.version, answer.actions)
  // Bits above these are the milter library's own business (sizes of its packets), and filters do set them.
  const steps = knownSteps(answer.version, answer.steps) & STEPS_ALL
  const tooMuch = actions & ~offer.actions
  if (tooMuch !== 0) {
    throw new MilterError(
      'MILTER_NOT_AGREED',
      `Cannot grant a filter the actions 0x${tooMuch.toString(16)}: they were not offered`,
    )
  }
  // Not to be dropped: a filter that means not to answer a step would be waited for.
  const unheard = steps & ~offer.steps
  if (unheard !== 0) {
    throw new MilterError(
      'MILTER_NOT_AGREED',
      `Cannot go by the steps 0x${unheard.toString(16)}: they were not offered`,
    )
  }
  return { version: answer.version, actions, steps, macros: answer.macros }
}

/** The filter's answer to an offer. @throws {MilterError} MILTER_NOT_AGREED: it cannot do its work with what is offered. */
export function answerOffer(offer: Negotiation, wanted: Omit<Negotiation, 'version'>): Agreement {
  if (offer.version < VERSION_MIN) {
    throw new MilterError(
      'MILTER_NOT_AGREED',
      `Cannot speak version ${offer.version} of the protocol: ${VERSION_MIN} and later are known`,
    )
  }
  const version = Math.min(offer.version, VERSION)
  const missing = wanted.actions & ~knownActions(version, offer.actions)
  if (missing !== 0) {
    throw new MilterError(
      'MILTER_NOT_AGREED',
      `Cannot work without the actions 0x${missing.toString(16)}: the server does not offer them`,
    )
  }
  const macros = version < VERSION ? new Map<never, never>() : wanted.macros
  return { version, actions: wanted.actions, steps: wanted.steps & knownSteps(version, offer.steps), macros }
}

function knownActions(version: number, actions: number): number {
  return version === VERSION ? actions : actions & ACTIONS_V2
}

/** Versions 3 to 5 were never common and are treated as the last but the newest, which is 2. */
function knownSteps(version: number, steps: number): number {
  return version === VERSION ? steps : steps & STEPS_V2
}
