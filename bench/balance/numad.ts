/**
 * numad's rule: each process that uses more than half a CPU and 300 MB is bound to the nodes with the greatest product of free CPU and free memory, its own
 * use given back to where it is (memory with a bias of 5/4 where it is bound, of 17/16 where it is not); as many nodes as it needs at a utilisation of
 * 85 %. Processes that are bound are looked at again after 5 minutes. Of the processes that were not bound those of the greatest product of CPU and memory come first, then
 * the others by when they were bound. After a move it looks again in 5 seconds, else in 15. All memory goes with the process. Source: numad 20150602,
 * `pick_numa_nodes` and `manage_loads`; numad(8)
 */

import { formatCpulist } from '../../src/cpulist.js'
import { type Balancing, COPY_BYTES_PER_SECOND, type Deed, NOTHING, type Placed, type World } from './world.js'

const CPU_THRESHOLD = 0.5
const MEMORY_THRESHOLD = 300 * 2 ** 20
const UTILIZATION = 0.85
const LOCALITY = 0.9
const REEVALUATED = 5
/** One each 5 seconds. */
const MOVES_A_MINUTE = 12
const PAGE = 4096

export function numadLike(): Balancing {
  const bound = new Map<string, { readonly at: number; readonly nodes: readonly number[] }>()
  return {
    minute(world) {
      const isDue = ({ vm }: Placed) =>
        (bound.get(vm.name)?.at ?? Number.NEGATIVE_INFINITY) + REEVALUATED <= world.minute
      const magnitude = (placed: Placed) => used(world, placed) * placed.vm.bytes
      const order = world.vms
        .filter((placed) => used(world, placed) > CPU_THRESHOLD && placed.vm.bytes > MEMORY_THRESHOLD && isDue(placed))
        .sort((a, b) => {
          const [first, second] = [bound.get(a.vm.name), bound.get(b.vm.name)]
          if (first !== undefined && second !== undefined) return first.at - second.at
          if (first === undefined && second === undefined) return magnitude(b) - magnitude(a)
          return first === undefined ? -1 : 1
        })
      const deeds: Deed[] = []
      for (const placed of order) {
        if (deeds.length === MOVES_A_MINUTE) break
        const { name } = placed.vm
        const before = bound.get(name)?.nodes ?? null
        const nodes = pick(world, placed, before, (other) => bound.get(other.vm.name)?.nodes ?? null)
        bound.set(name, { at: world.minute, nodes })
        const local = nodes.reduce((sum, node) => sum + (placed.memory.get(node) ?? 0), 0) / placed.vm.bytes
        if (before?.join() === nodes.join() && local >= LOCALITY) continue
        deeds.push(bind(world, placed, nodes))
      }
      return deeds.reduce(
        (all, deed) => ({
          bytes: all.bytes + deed.bytes,
          moved: [...all.moved, ...deed.moved],
          vcpuSeconds: all.vcpuSeconds + deed.vcpuSeconds,
        }),
        NOTHING,
      )
    },
  }
}

function used(world: World, placed: Placed): number {
  return world.want(placed) * placed.vm.vcpus
}

function pick(
  world: World,
  placed: Placed,
  own: readonly number[] | null,
  nodesOf: (other: Placed) => readonly number[] | null,
): number[] {
  const { nodes } = world.fleet
  const load = new Map(nodes.map((node) => [node, 0]))
  for (const other of world.vms) {
    const on = nodesOf(other) ?? nodes
    for (const node of on) load.set(node, load.get(node)! + used(world, other) / on.length)
  }
  const size = (node: number) => world.cpusOf(node).length
  const cpuFree = (node: number) => size(node) * UTILIZATION - load.get(node)!
  const mean =
    own === null ? 0 : own.reduce((sum, node) => sum + cpuFree(node) + used(world, placed) / own.length, 0) / own.length
  const site = nodes.map((node) => {
    const held = placed.memory.get(node) ?? 0
    const bytes = world.freeBytes(node) + held * (own === null ? 17 / 16 : 5 / 4)
    const back = own === null ? (used(world, placed) * held) / placed.vm.bytes : 0
    const cpus = Math.max(0.01, own?.includes(node) ? mean : cpuFree(node) + back)
    return { node, bytes, cpus, magnitude: bytes * cpus }
  })
  const cpusPerNode = size(nodes[0]!)
  let cpus = used(world, placed) - ((1 - UTILIZATION) * cpusPerNode) / 2
  let bytes = placed.vm.bytes
  const chosen: number[] = []
  for (const one of site.sort((a, b) => b.magnitude - a.magnitude)) {
    if (chosen.length > 0 && cpus <= 0 && bytes <= 0) break
    chosen.push(one.node)
    cpus -= one.cpus
    bytes -= one.bytes
  }
  return chosen.sort((a, b) => a - b)
}

function bind(world: World, placed: Placed, nodes: readonly number[]): Deed {
  const { vm, memory } = placed
  const cpus = formatCpulist(nodes.flatMap((node) => world.cpusOf(node)).sort((a, b) => a - b))
  placed.cpus = placed.cpus.map(() => cpus)
  const next = new Map([...memory].filter(([node]) => nodes.includes(node)))
  let bytes = 0
  for (const [from, held] of memory) {
    if (nodes.includes(from)) continue
    let left = held
    for (const to of nodes) {
      const pages = Math.floor(
        Math.min(left, Math.max(0, world.freeBytes(to) - ((next.get(to) ?? 0) - (memory.get(to) ?? 0)))) / PAGE,
      )
      next.set(to, (next.get(to) ?? 0) + pages * PAGE)
      left -= pages * PAGE
      bytes += pages * PAGE
    }
    if (left > 0) next.set(from, left)
  }
  placed.memory = new Map([...next].filter(([, held]) => held > 0))
  return { bytes, moved: [vm.name], vcpuSeconds: (bytes / COPY_BYTES_PER_SECOND) * vm.vcpus }
}
