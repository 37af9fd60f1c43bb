/** Whether placing guests pays on this machine: what can be won, and what on this system wins or loses it. */

import { formatCpulist } from '../../cpulist.js'
import { parseRequest } from '../../request.js'
import type { Host } from '../../types.js'
import { formatBytes } from '../../units.js'
import { machineOf } from '../../verify/machine.js'
import { count } from '../table.js'
import { type Check, ok, warning } from './check.js'
import type { Probes } from './probes.js'

/** Tasks that run or want to, for each CPU, below which CPUs are not short. */
const LIGHT_LOAD = 0.5
/** Percent of the time that something waits for a CPU, above which they are. */
const WAITING_PERCENT = 10

/** Of more nodes than this only the largest and the smallest are shown. */
const MOST_SHOWN = 4

/** What a request has that says nothing about it: the prices are the cost model's. */
const any = parseRequest({ vms: [{ name: 'any', vcpus: 1, memory: '1GiB' }] })
const { model } = any
const { memoryBound } = any.vms[0]!

/** The most that where it is can cost a vCPU, in lost vCPUs, by cause: docs/model.md, "Cost". */
export function checkPlacement(host: Host): Check {
  const { nodes, cpus } = host
  const machine = machineOf(host, any)
  const usable = cpus.filter(({ online, allowed }) => online && allowed)
  const ids = nodes.map(({ id }) => id)
  const farthest = Math.max(...ids.flatMap((from) => ids.map((to) => machine.distance(from, to)))) / 10
  const hops = ids.flatMap((from) => ids.flatMap((to) => (from === to ? [] : machine.tenHops(from, to))))
  const llcs = new Set(usable.map(({ llc }) => llc)).size
  const threads = Math.max(1, ...usable.map(({ thread }) => (thread ?? 0) + 1))
  const slowest = Math.min(1024, ...usable.map(({ capacity }) => capacity ?? 1024))
  const hop = nodes.length > 1 ? Math.max(...hops) / 10 : llcs > 1 ? 1 : 0
  const losses: readonly [number, string][] = [
    [memoryBound * (farthest - 1), 'with its memory on the farthest node'],
    [model.communication * hop, 'with its peers in other caches'],
    [threads > 1 ? machine.smt : 0, 'beside a busy SMT sibling'],
    [1 - slowest / 1024, 'on the slowest kind of core'],
  ]
  const found = [
    `${count(nodes.length, 'node')}${nodes.length > 1 ? `, memory up to ${farthest} times as far` : ''}`,
    count(llcs, 'last-level cache'),
    `${count(threads, 'thread')} a core`,
  ].join(', ')
  const won = losses.filter(([lost]) => lost > 0).map(([lost, how]) => `${lost.toFixed(2)} ${how}`)
  if (won.length === 0) {
    const means = 'All CPUs are alike: placing guests wins nothing here but a CPU of their own for dedicated vCPUs.'
    return ok('placement', found, means)
  }
  return ok('placement', found, `By the cost model a vCPU can lose, of itself: ${won.join(', ')}. A plan avoids that.`)
}

/** How large a guest may be to find all of its CPUs and memory on one node: what a plan may use there. */
export function checkGuestSize(host: Host): Check {
  const { nodes } = host
  const { cpus, freePages, pageSizes } = machineOf(host, any)
  const usable = [...cpus.values()].filter((cpu) => cpu.usable)
  const [page] = pageSizes as [number]
  const rooms = nodes.map(({ id, memory }) => ({
    id,
    cpus: usable.filter(({ node }) => node === id).length,
    bytes: freePages(id, page) * page,
    cache: memory.reclaimable ?? 0,
  }))
  const bySize = [...rooms].sort((a, b) => b.cpus - a.cpus || b.bytes - a.bytes)
  const shown = rooms.length > MOST_SHOWN ? [bySize[0]!, bySize.at(-1)!] : rooms
  const found = shown.map(({ id, cpus, bytes, cache }) => {
    const cached = cache === 0 ? '' : ` with ${formatBytes(cache)} of page cache`
    return `node ${id}: ${count(cpus, 'CPU')}, ${formatBytes(bytes)} free${cached}`
  })
  const means =
    nodes.length > 1
      ? 'A guest below that is small: on one node all of its memory is local, and binding keeps it so when others fill the nodes. A larger one is divided into cells.'
      : 'A larger guest does not fit.'
  return ok('guest-size', `${shown === rooms ? '' : 'from the largest to the smallest '}${found.join('; ')}`, means)
}

/** What cgroups and reservations leave of the memory that the nodes have free. */
export function checkMemoryLimits({ limits = [] }: Host): Check {
  const id = 'memory-limits'
  if (limits.length === 0) return ok(id, 'none', 'Guests may have all memory that the nodes have free.')
  const found = limits.map(({ size, pages, cause }) => {
    return `${formatBytes(size * pages)} in pages of ${formatBytes(size)} (${cause})`
  })
  const means =
    'All nodes together have more free. Plans do not go beyond the limit: the kernel would kill guests, or refuse them memory.'
  const mend = 'More for the cgroup: MemoryMax= of the systemd unit, --memory of the container, hugetlb.*.max.'
  return warning(id, found.join('; '), means, mend)
}

/** What of a guest's accesses is remote whatever one does, where they go to all of its memory alike. */
export function checkRandomAccess({ nodes }: Host): Check {
  const withMemory = nodes.filter(({ memory }) => memory.total !== 0).length
  const remote = Math.round(100 * (1 - 1 / withMemory))
  const found = `over ${count(withMemory, 'node')} with memory ${remote} % of random accesses are to other nodes`
  if (withMemory < 2) return ok('random-access', found, 'There is no other node.')
  const means =
    'So it is for a guest on all of them, wherever its vCPUs are: binding wins nothing there, memoryPolicy "interleave" spreads the load. A guest that fits on one node has them all local.'
  return ok('random-access', found, means)
}

/** Source: proc_loadavg(5); Documentation/accounting/psi.rst */
export function checkLoad(probes: Probes, { cpus }: Host): Check {
  const load = Number.parseFloat(probes.readText('/proc/loadavg') ?? '')
  const online = cpus.filter((cpu) => cpu.online).length
  const waiting = /^some .*avg60=([\d.]+)/m.exec(probes.readText('/proc/pressure/cpu') ?? '')?.[1]
  if (Number.isNaN(load)) return ok('load', 'unknown', 'This system does not show its load.')
  const found = [
    `${load.toFixed(2)} tasks on ${count(online, 'CPU')}`,
    ...(waiting === undefined ? [] : [`something waited for a CPU ${waiting} % of the last minute`]),
  ].join(', ')
  if (Number(waiting ?? 0) > WAITING_PERCENT || load > online) {
    const means =
      'CPUs are short: a vCPU that shares one waits. Dedicated vCPUs keep guests apart, not other processes.'
    const mend = 'Reserve CPUs for what else runs here (reserve.cpus in the request), and keep it there (a cpuset).'
    return warning('load', found, means, mend)
  }
  if (load < LIGHT_LOAD * online) {
    return ok(
      'load',
      found,
      'Lightly loaded: the kernel finds idle CPUs by itself, and pinning wins little but warm caches.',
    )
  }
  return ok('load', found, 'Busy: it pays that vCPUs have CPUs of their own.')
}

/** Source: Documentation/admin-guide/sysctl/kernel.rst; task_numa_work() in kernel/sched/fair.c leaves bound memory out. */
export function checkNumaBalancing(probes: Probes, { nodes }: Host): Check {
  const value = probes.readText('/proc/sys/kernel/numa_balancing')?.trim()
  const found = value === undefined ? 'not in this kernel' : `kernel.numa_balancing = ${value}`
  const id = 'numa-balancing'
  if (value === undefined || value === '0' || nodes.length < 2) {
    return ok(id, found, 'The kernel moves no memory between nodes by itself.')
  }
  return warning(
    id,
    found,
    'The kernel moves memory to where it is used: not that of guests that are bound; others pay for its sampling with page faults.',
    'Where every guest is bound: sudo sysctl kernel.numa_balancing=0. Where none is, leave it on.',
  )
}

/** Source: Documentation/admin-guide/mm/transhuge.rst */
export function checkTransparentHugePages(probes: Probes): Check {
  const text = probes.readText('/sys/kernel/mm/transparent_hugepage/enabled')
  const mode = text === null ? 'not in this kernel' : (/\[(\w+)\]/.exec(text)?.[1] ?? text.trim())
  const id = 'transparent-huge-pages'
  switch (mode) {
    case 'always':
      return ok(id, mode, 'Guest memory is joined to huge pages where it can be: random access misses the TLB less.')
    case 'madvise':
      return ok(id, mode, 'Guest memory is joined to huge pages where that is asked for (memory.transparentHugePages).')
    default:
      return warning(
        id,
        mode,
        'Guests get base pages unless huge pages are reserved: random access over much memory misses the TLB often.',
        'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, as root; or reserve huge pages.',
      )
  }
}

/** Source: Documentation/admin-guide/kernel-parameters.txt, isolcpus */
export function checkIsolatedCpus({ cpus }: Host): Check {
  const isolated = cpus.filter((cpu) => cpu.isolated && cpu.online)
  const allowed = isolated.filter((cpu) => cpu.allowed)
  const list = formatCpulist(isolated.map(({ id }) => id))
  const id = 'isolated-cpus'
  if (isolated.length === 0) return ok(id, 'none', 'Other processes may run beside pinned vCPUs.')
  if (allowed.length === 0) {
    return ok(id, list, 'The cpuset keeps this process from them: plans leave them out.')
  }
  const means =
    'Nothing else runs there: dedicated vCPUs get them first. The scheduler does not balance there, and threads that float would pile up on one of them: plans keep those off.'
  return ok(id, list, means)
}
