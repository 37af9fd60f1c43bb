/**
 * Like the kernel with `numa_balancing`: no daemon, no plan. Each minute
 * - a vCPU goes back to the node that has most of its VM's memory while that has CPU time left for it (`task_numa_migrate`);
 * - where a node has more to run than CPUs, vCPUs go to the node with the most CPU time left: no CPU is idle while a vCPU waits (load balancing);
 * - memory follows: what is accessed from a node twice goes there, as fast as the scanner marks it: 256 MiB a second of a vCPU's own run time
 *   (`scan_size_mb`, `scan_period_min_ms`), a half of it since the first of two faults moves nothing.
 * Costs: a copy takes the time of the vCPU that faults, not of the whole VM. Hint faults take 1 % of a vCPU's run time while more than 30 % of its accesses are
 * remote, and 0.1 % else, when the scanner has slowed down. That is kind to the kernel: here it knows the load of the minute that is to come, its threads never wait for
 * a balancing interval, and a scanner's estimate is never wrong. Source: Documentation/admin-guide/sysctl/kernel.rst, kernel/sched/fair.c
 */

import { type Balancing, COPY_BYTES_PER_SECOND, type Deed, type Placed, type World } from './world.js'

const SCANNED_PER_SECOND = 256 * 2 ** 20
const TWICE = 2
const SECONDS = 60
const FAULTING = 0.01
const SETTLED = 0.001
const MANY = 0.3
const PAGE = 4096

export function kernelLike(): Balancing {
  return {
    minute(world) {
      const before = new Map(world.vms.map((placed) => [placed.vm.name, homeOf(placed)]))
      schedule(world)
      const deeds = world.vms.map((placed) => follow(world, placed))
      const moved = world.vms.filter((placed) => homeOf(placed) !== before.get(placed.vm.name))
      return {
        bytes: deeds.reduce((sum, { bytes }) => sum + bytes, 0),
        vcpuSeconds: deeds.reduce((sum, { vcpuSeconds }) => sum + vcpuSeconds, 0),
        moved: moved.map(({ vm }) => vm.name),
      }
    },
  }
}

/** The node that has most of its memory. */
function homeOf({ memory }: Placed): number {
  return [...memory].reduce((best, part) => (part[1] > best[1] ? part : best))[0]
}

function schedule(world: World): void {
  const load = new Map(world.fleet.nodes.map((node) => [node, 0]))
  const size = (node: number) => world.cpusOf(node).length
  const left = (node: number) => size(node) - load.get(node)!
  // Largest first: they are the hardest to place, and least likely to be balanced away.
  const order = [...world.vms].sort((a, b) => world.want(b) * b.vm.vcpus - world.want(a) * a.vm.vcpus)
  for (const placed of order) {
    const want = world.want(placed)
    const home = homeOf(placed)
    placed.cpus = placed.cpus.map(() => {
      const most = world.fleet.nodes.reduce((best, node) => (left(node) > left(best) ? node : best))
      const node = left(home) >= want || left(home) >= left(most) ? home : most
      load.set(node, load.get(node)! + want)
      return world.listOf(node)
    })
  }
}

/** Its memory goes towards where its vCPUs run. */
function follow(world: World, placed: Placed): Deed {
  const { vm, cpus, memory } = placed
  const want = world.want(placed)
  const total = vm.bytes
  const runs = new Map<number, number>()
  for (const node of world.fleet.nodes) {
    const here = cpus.filter((list) => list === world.listOf(node)).length
    if (here > 0) runs.set(node, here / cpus.length)
  }
  const remote = [...runs].reduce((sum, [node, share]) => sum + share * (1 - (memory.get(node) ?? 0) / total), 0)
  const run = want * vm.vcpus * SECONDS
  let most = (run * SCANNED_PER_SECOND) / TWICE
  const next = new Map(memory)
  let bytes = 0
  for (const [to, share] of runs) {
    // Pages that others of its vCPUs use as much are taken to and fro: what is asked for is each node's share.
    for (const from of memory.keys()) {
      const excess = (next.get(from) ?? 0) - (runs.get(from) ?? 0) * total
      const missing = share * total - (next.get(to) ?? 0)
      const pages = Math.floor(Math.min(excess, missing, most, world.freeBytes(to)) / PAGE)
      if (from === to || pages <= 0) continue
      next.set(from, next.get(from)! - pages * PAGE)
      next.set(to, (next.get(to) ?? 0) + pages * PAGE)
      bytes += pages * PAGE
      most -= pages * PAGE
    }
  }
  placed.memory = new Map([...next].filter(([, held]) => held > 0))
  const faults = run * (remote > MANY ? FAULTING : SETTLED)
  return { bytes, moved: [], vcpuSeconds: bytes / COPY_BYTES_PER_SECOND + faults }
}
