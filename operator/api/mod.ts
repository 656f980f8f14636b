/** The custom resources of the group twinpost.io: schemas, types, and the list of kinds. */
import { domainKind } from './domain.ts'
import { filterPoolKind } from './filter-pool.ts'
import { mailNodeKind } from './mail-node.ts'
import type { KindDefinition } from './resource.ts'

export { Domain, type DomainSpec } from './domain.ts'
export { FilterPool } from './filter-pool.ts'
export {
  type ContainerResources,
  type ListenerName,
  MailNode,
  type MailNodeSpec,
  type MailNodeStatus,
  MEMBERS,
} from './mail-node.ts'
export { API_VERSION, type Condition, GROUP, type KindDefinition, VERSION } from './resource.ts'

export const KINDS: readonly KindDefinition[] = [mailNodeKind, domainKind, filterPoolKind]
