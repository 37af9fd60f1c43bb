/** What the VMs of a request ask of each other, whichever of the two asked. */

import type { Request } from '../types.js'

export interface Peers {
  /** Names of VMs that this one shares no node with. */
  readonly separate: ReadonlySet<string>
  /** Names of VMs that begin on the same node as this one. */
  readonly near: ReadonlySet<string>
}

/** By the VM's name; who has nobody to ask for is not in it. */
export function peersOf({ vms }: Request): ReadonlyMap<string, Peers> {
  const peers = new Map<string, { separate: Set<string>; near: Set<string> }>()
  const add = (kind: keyof Peers, name: string, other: string) => {
    const own = peers.get(name) ?? { separate: new Set(), near: new Set() }
    own[kind].add(other)
    peers.set(name, own)
  }
  for (const { name, separateFrom, near } of vms) {
    for (const other of separateFrom) {
      add('separate', name, other)
      add('separate', other, name)
    }
    for (const other of near) {
      add('near', name, other)
      add('near', other, name)
    }
  }
  return peers
}
