/** What of the host's topology limits what homenode can do here. */

import type { AffinityStatus } from '../../../executor/index.js'
import { formatCpulist } from '../../cpulist.js'
import type { Host } from '../../types.js'
import { formatBytes } from '../../units.js'
import { count } from '../table.js'
import { type Check, ok, problem, warning } from './check.js'

export function checkNodes({ nodes, cpus }: Host): Check {
  const bare = nodes.filter(({ id }) => !cpus.some((cpu) => cpu.online && cpu.node === id))
  const empty = nodes.filter(({ memory }) => memory.total === 0)
  const list = (some: Host['nodes']) => formatCpulist(some.map(({ id }) => id))
  const found = [
    `${count(nodes.length, 'node')} (${list(nodes)})`,
    ...(bare.length > 0 ? [`without CPUs: ${list(bare)}`] : []),
    ...(empty.length > 0 ? [`without memory: ${list(empty)}`] : []),
  ].join(', ')
  if (nodes.length > 1) return ok('nodes', found, 'Where memory is makes a difference here.')
  return warning(
    'nodes',
    found,
    'All memory is local: placing it cannot matter here. Placing vCPUs on cores and caches still does.',
    'Nothing, where the machine has one node. A virtual machine can be given the nodes of its host. For a look at other hosts: homenode plan with --host or --synthetic.',
  )
}

export function checkCpus({ cpus }: Host, affinity: AffinityStatus): Check {
  const online = cpus.filter((cpu) => cpu.online)
  const allowed = online.filter((cpu) => cpu.allowed)
  const found = `${allowed.length} of ${count(online.length, 'online CPU')} (${formatCpulist(allowed.map(({ id }) => id)) || 'none'})`
  if (!affinity.usable) {
    const means = 'Threads cannot be pinned: no plan can be carried out.'
    return problem('cpus', `${found}; ${affinity.text}`, means, affinity.hint || 'Allow sched_setaffinity (seccomp).')
  }
  const reachable = new Set(affinity.cpus)
  const masked = allowed.filter(({ id }) => !reachable.has(id))
  if (masked.length > 0) {
    const less = `${found}, of which this process starts on ${formatCpulist(reachable)}`
    return ok('cpus', less, 'An affinity mask (taskset) is no limit: vCPUs are pinned to any CPU of the cpuset.')
  }
  if (allowed.length === online.length) return ok('cpus', found, 'vCPUs can be pinned to every CPU.')
  return warning(
    'cpus',
    found,
    'The cpuset keeps this process from the others: plans leave them out.',
    'Widen the cpuset: --cpuset-cpus of the container, AllowedCPUs= of the systemd unit.',
  )
}

export function checkHugePages({ nodes }: Host): Check {
  const sizes = [...new Set(nodes.flatMap(({ pages }) => pages.slice(1).map(({ size }) => size)))].sort((a, b) => a - b)
  const reserved = sizes.filter((size) => nodes.some((node) => poolOf(node, size).total !== 0))
  const id = 'huge-pages'
  const reserve =
    'echo 512 > /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages, as root, for each node.'
  if (sizes.length === 0)
    return warning(id, 'this kernel has none', 'Guests get base pages.', 'Use a kernel with CONFIG_HUGETLBFS.')
  if (reserved.length === 0) {
    const names = sizes.map((size) => formatBytes(size)).join(', ')
    return warning(id, `none reserved (${names})`, 'Guests get base pages; a pageSize of these is refused.', reserve)
  }
  const found = reserved.map((size) => {
    const free = nodes.map((node) => `node ${node.id}: ${poolOf(node, size).free ?? '?'}`)
    return `${formatBytes(size)} free: ${free.join(', ')}`
  })
  const hasFree = nodes.some(({ pages }) => pages.slice(1).some(({ free }) => free !== 0))
  if (hasFree) return ok(id, found.join('; '), 'Guests get the largest that divide their memory.')
  return warning(id, found.join('; '), 'All are taken: guests get base pages.', reserve)
}

function poolOf({ pages }: Host['nodes'][number], size: number): { total: number | null; free: number | null } {
  return pages.find((pool) => pool.size === size) ?? { total: 0, free: 0 }
}
