/** Names that cluster DNS would answer, as lines of a hosts file (read by lib/platform/resolver.ts). Pure. */
import { delimiter } from 'node:path'
import { SHARED_ADDRESS_ANNOTATION } from '../annotations.ts'
import type { Service } from '../objects.ts'
import { matchesLabels } from './labels.ts'

export interface NamedPod {
  readonly name: string
  readonly namespace: string
  readonly ip: string
  readonly labels: Readonly<Record<string, string>>
}

/** @param sharedAddress Address on which pods of such a Service all listen. */
export function hostsText(services: readonly Service[], pods: readonly NamedPod[], sharedAddress: string): string {
  const lines = ['# Written by the operator: what cluster DNS would answer.']
  for (const service of services) {
    const { name, namespace, annotations } = service.metadata
    const chosen = pods.filter((pod) => pod.namespace === namespace && matchesLabels(pod.labels, service.spec.selector))
    if (service.spec.clusterIP === 'None') {
      for (const pod of chosen) lines.push(hostsLine(pod.ip, `${pod.name}.${name}`, namespace))
      for (const pod of chosen) lines.push(hostsLine(pod.ip, name, namespace)) // the name of all of them
    } else if (annotations?.[SHARED_ADDRESS_ANNOTATION] === 'shared') {
      lines.push(hostsLine(sharedAddress, name, namespace))
    } else if (chosen[0]) lines.push(hostsLine(chosen[0].ip, name, namespace))
  }
  return `${lines.join('\n')}\n`
}

/**
 * The files that a pod looks names up in: first its own, as the kubelet writes one for each pod, then that of all. Its own is there
 * only if a person made it, to lead this pod elsewhere: through a relay, to a network of its own.
 */
export const hostsFilesOf = (hostsFile: string, pod: string): string => `${hostsFile}.${pod}${delimiter}${hostsFile}`

function hostsLine(address: string, name: string, namespace: string): string {
  return `${address} ${name}.${namespace}.svc ${name}.${namespace}.svc.cluster.local ${name}.${namespace} ${name}`
}
