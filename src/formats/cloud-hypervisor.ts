/**
 * A placed VM as arguments of Cloud Hypervisor, which pins vCPUs itself and has a zone of memory for each node of a cell.
 * Source: Cloud Hypervisor's docs/cpu.md and docs/memory.md, version 23 and later (lists in brackets).
 */

import { formatCpulist } from '../cpulist.js'
import { InputError } from '../errors.js'
import type { Host } from '../types.js'
import { type Converted, distancesOf, type Guest } from './guest.js'
import { MORE, scriptOf, startLines } from './shell.js'
import { topologyOf } from './topology.js'

/** vCPUs are bytes in its lists of cells. */
const MAX_VCPUS = 255

/** @throws {InputError} for a VM that Cloud Hypervisor cannot have */
export function cloudHypervisorArguments(guest: Guest, host: Host | null): (readonly string[])[] {
  const { vcpus, cells } = guest
  if (vcpus.length > MAX_VCPUS) {
    throw new InputError('', `at most ${MAX_VCPUS} vCPUs, for Cloud Hypervisor`, `${vcpus.length}`)
  }
  const { sockets, dies, cores, threads } = topologyOf(guest, host)
  const affinity = vcpus.map(({ vcpu, cpus }) => `${vcpu}@[${cpus}]`)
  const distances = distancesOf(guest, host)
  const zones = cells.flatMap(({ cell, pageSize, isHuge, memory }) =>
    memory.map(({ node, bytes }) => {
      const pages = isHuge ? `,hugepages=on,hugepage_size=${pageSize / 1024}K` : ''
      return `id=${zone(cell, node)},size=${bytes / 1024}K,host_numa_node=${node},prealloc=on${pages}`
    }),
  )
  const numa = cells.map(({ cell, vcpus: own, memory }) => {
    const others = distances?.[cell]?.flatMap((value, to) => (to === cell ? [] : [`${to}@${value}`])) ?? []
    const far = others.length === 0 ? '' : `,distances=[${others.join(',')}]`
    const parts = memory.map(({ node }) => zone(cell, node)).join(',')
    return `guest_numa_id=${cell},cpus=[${formatCpulist(own)}]${far},memory_zones=[${parts}]`
  })
  return [
    ['--cpus', `boot=${vcpus.length},topology=${threads}:${cores}:${dies}:${sockets},affinity=[${affinity.join(',')}]`],
    ['--memory', 'size=0'],
    ['--memory-zone', ...zones],
    ['--numa', ...numa],
  ]
}

function zone(cell: number, node: number): string {
  return `cell${cell}node${node}`
}

export function toCloudHypervisor(guest: Guest, host: Host | null): Converted {
  const start = {
    name: 'start',
    takes: [MORE],
    does: 'runs Cloud Hypervisor, its vCPUs and its memory placed',
    // vCPUs leave these CPUs for those of their affinity.
    lines: startLines(
      `taskset -c ${guest.emulator} "\${CLOUD_HYPERVISOR:-cloud-hypervisor}"`,
      cloudHypervisorArguments(guest, host),
    ),
  }
  return { text: scriptOf(guest, 'placed, for Cloud Hypervisor', [start]), notes: notesOf(guest) }
}

function notesOf({ policy, iothreads }: Guest): string[] {
  const bound = 'Cloud Hypervisor binds each part of the memory to its node, as it is planned'
  return [
    ...(policy === 'preferred' ? [`${bound}: it does not take others where one is full`] : []),
    ...(policy === 'interleave' ? [`${bound}: one after another, not page by page`] : []),
    ...(iothreads.length > 0
      ? ['Cloud Hypervisor has no I/O threads of this kind: its devices share the CPUs of the emulator']
      : []),
  ]
}
