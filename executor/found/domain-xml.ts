/** What a running domain's XML says of its guest. Pure. */

import { InputError } from '../../src/errors.js'
import { readDomain } from '../../src/formats/libvirt/domain.js'
import { childOf } from '../../src/formats/xml/parse.js'
import { metadataOf } from './metadata.js'
import type { FoundCell, FoundMetadata } from './types.js'

export interface Domain {
  readonly uuid: string
  readonly name: string
  /** Of those that are there. */
  readonly vcpus: number
  /** Bytes. */
  readonly memory: number
  /** The guest's nodes, with vCPUs that may still be plugged in; none where it has no NUMA. */
  readonly cells: readonly FoundCell[]
  /** What others have written down with it. */
  readonly metadata: readonly FoundMetadata[]
}

/** `null` for what is no domain, or one whose memory is not told by it alone. */
export function parseDomain(xml: string): Domain | null {
  try {
    const { root, name, vcpus, bytes, cells } = readDomain(xml)
    const uuid = childOf(root, 'uuid')?.text.trim().toLowerCase()
    const current = Number(childOf(root, 'vcpu')?.attributes.get('current')?.value ?? vcpus)
    if (uuid === undefined || !Number.isInteger(current) || current < 1 || current > vcpus) return null
    const guestNodes = cells.map((cell, at) => ({ cell: at, vcpus: cell.vcpus, memory: cell.bytes }))
    return { uuid, name, vcpus: current, memory: bytes, cells: guestNodes, metadata: metadataOf(root) }
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}
