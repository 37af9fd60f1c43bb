/**
 * A placed VM for Firecracker, which has no NUMA: its guest sees one node, and its process is bound to the nodes of all cells.
 * Source: Firecracker's API (`PUT /machine-config`) and docs/jailer.md.
 */

import { formatCpulist } from '../cpulist.js'
import { InputError } from '../errors.js'
import type { Host } from '../types.js'
import { formatBytes } from '../units.js'
import { type Converted, cpusOf, type Guest, nodesOfGuest } from './guest.js'
import { numactlPart, processNotes } from './numactl.js'
import { MORE, pinPart, quote, scriptOf } from './shell.js'
import { topologyOf } from './topology.js'

const MAX_VCPUS = 32
const MIB = 1024 ** 2
const HUGE_PAGE = 2 * MIB

/** @throws {InputError} for a VM that Firecracker cannot have */
export function machineConfig(guest: Guest, host: Host | null): object {
  const { vcpus, cells, bytes } = guest
  if (vcpus.length > MAX_VCPUS)
    throw new InputError('', `at most ${MAX_VCPUS} vCPUs, for Firecracker`, `${vcpus.length}`)
  if (bytes % MIB !== 0) throw new InputError('', 'memory in whole MiB, for Firecracker', `${bytes} bytes`)
  const huge = cells.filter(({ isHuge }) => isHuge)
  const other = huge.find(({ pageSize }) => pageSize !== HUGE_PAGE)
  if (other !== undefined || (huge.length > 0 && huge.length < cells.length)) {
    const got = `${formatBytes((other ?? huge[0]!).pageSize)} in cell ${(other ?? huge[0]!).cell}`
    throw new InputError('', 'pages of the base size or of 2 MiB for all memory, for Firecracker', got)
  }
  return {
    vcpu_count: vcpus.length,
    mem_size_mib: bytes / MIB,
    smt: topologyOf(guest, host).threads === 2,
    // Versions before 1.7 do not know the field.
    ...(huge.length > 0 ? { huge_pages: '2M' } : {}),
  }
}

export function toFirecracker(guest: Guest, host: Host | null): Converted {
  const config = JSON.stringify(machineConfig(guest, host))
  const groups = [`cpuset.mems=${formatCpulist(nodesOfGuest(guest))}`, `cpuset.cpus=${cpusOf(guest)}`]
  const parts = [
    {
      name: 'config',
      takes: [],
      does: "prints what its configuration has as 'machine-config'",
      lines: [`printf '%s\\n' ${quote(config)}`],
    },
    numactlPart(guest, `"\${FIRECRACKER:-firecracker}" `, [MORE], 'runs Firecracker, its memory placed'),
    {
      name: 'jailer',
      takes: [],
      does: 'prints the arguments for the jailer that place it by a cgroup instead',
      lines: [`printf '%s\\n' ${quote(groups.map((group) => `--cgroup ${group}`).join(' '))}`],
    },
    pinPart(guest),
  ]
  const cells = guest.cells.length
  const flat = cells > 1 ? [`Firecracker has no NUMA: its guest sees one node instead of ${cells} cells`] : []
  return { text: scriptOf(guest, 'placed, for Firecracker', parts), notes: [...flat, ...processNotes(guest)] }
}
