/** The request that `homenode run` makes when it is given none. */

import type { Host } from '../types.js'

const MIB_PER_VCPU = 64

/**
 * One VM that suits the host: half of its usable CPUs, at least one, and 64 MiB a vCPU, in as many cells as are best.
 */
export function demoRequest({ cpus }: Host): object {
  const usable = cpus.filter(({ online, allowed, node }) => online && allowed && node !== null).length
  const vcpus = Math.max(1, Math.floor(usable / 2))
  return {
    schemaVersion: 1,
    kind: 'Request',
    vms: [{ name: 'demo', vcpus, memory: `${vcpus * MIB_PER_VCPU}MiB`, cells: 'auto' }],
  }
}
